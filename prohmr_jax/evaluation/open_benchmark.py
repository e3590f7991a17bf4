"""Makes, writes and reads the people of the open benchmark.

A file of the benchmark holds people whose poses no training saw, and what each way of
detection gives of them. Whoever reads it measures the same numbers, whatever the model.
`tools/make_open_benchmark.py` makes it; `modes/evaluate_open_benchmark.py` reads it.
"""

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.keypoint_errors import exact, half_hidden, noisy
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.evaluation.shown_people import ShownPerson, show_person
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.poses.bank import HeldOutClip
from prohmr_jax.poses.mocap.splits import action_of
from prohmr_jax.priors.detector_errors import DetectorErrors
from prohmr_jax.structs import Body, Keypoints2D
from prohmr_jax.synthetic.simulated_detector import coco_as_body25, detect_as_measured

VERSION = 1
"""Version of the benchmark: it changes with everything that changes a number."""
_NUM_25, _NUM_17 = len(skeleton.BODY_25), len(skeleton.COCO_17)
_BATCH = 32
_SCORE_OF_A_MISS = 0.1
_RANDOM_RATE = 0.3
# What is deleted, by words in the names of joints and sides. Legs, arms, and arms and
# head are those of Biggs et al. (3D Multi-bodies, NeurIPS 2020); the limbs of one side
# and the random joints are those of HuProSO3 (Dünkel et al., CVPR 2024).
_LEGS = ("knee", "ankle", "toe", "heel")
_ARMS = ("elbow", "wrist")
_HEAD = ("nose", "eye", "ear")
_DELETIONS = {
    "legs deleted": ("", _LEGS),
    "arms deleted": ("", _ARMS),
    "arms and head deleted": ("", (*_ARMS, *_HEAD)),
    "left leg deleted": ("left_", ("hip", *_LEGS)),
    "left forearm deleted": ("left_", _ARMS),
    "left upper arm deleted": ("left_", ("shoulder", "elbow")),
}


@struct.dataclass
class BenchmarkPeople:
    """Holds P people of the benchmark under C conditions."""

    body: Body
    """[P], true joints, metres, camera axes; without vertices."""
    xy: Float[np.ndarray, "P 25 2"]
    """True joints of BODY_25 in the image plane z = 1."""
    keypoints: Keypoints2D
    """[C, P, 25], what the model is given, in the plane z = 1; misses have confidence
    zero."""
    conditions: tuple[str, ...] = struct.field(pytree_node=False)
    """Names of the conditions."""
    parts: tuple[str, ...] = struct.field(pytree_node=False)
    """Part of the benchmark that each person belongs to."""
    actions: tuple[str, ...] = struct.field(pytree_node=False)
    """Action of each person."""

    def content_hash(self) -> str:
        """Returns the SHA-256 of version, names and numbers, as hexadecimal text."""
        digest = hashlib.sha256(f"open benchmark {VERSION}".encode())
        for name, array in _as_arrays(self).items():
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def benchmark_conditions(detector: DetectorErrors) -> dict[str, Callable]:
    """Returns the functions `(key, ShownPerson) -> Keypoints2D` of all conditions.

    Args:
      detector: how the detector that ships errs.
    """
    plain = {"exact": exact, "noisy": noisy, "half hidden": half_hidden}
    conditions = {
        name: lambda key, person, show=show: show(key, person.xy)
        for name, show in plain.items()
    }
    conditions["detected"] = functools.partial(_detected, detector)
    for name, (side, words) in _DELETIONS.items():
        deleted = np.array(
            [
                joint.startswith(side) and any(word in joint for word in words)
                for joint in skeleton.BODY_25.names
            ]
        )
        conditions[name] = functools.partial(_without, deleted)
    conditions["random joints deleted"] = _without_random
    return conditions


def _detected(detector: DetectorErrors, key, person: ShownPerson) -> Keypoints2D:
    """Returns what the detector that ships would say; see `docs/detector_errors.md`."""
    in_sight = jnp.zeros(_NUM_17, bool)
    seen = detect_as_measured(
        key, detector, person.body, person.smpl.rotmats, person.camera, in_sight
    )
    keypoints = coco_as_body25(seen)
    missed = keypoints.confidence <= _SCORE_OF_A_MISS
    return keypoints.replace(confidence=jnp.where(missed, 0.0, keypoints.confidence))


def _without(deleted: np.ndarray, key, person: ShownPerson) -> Keypoints2D:
    return Keypoints2D(person.xy, 1.0 - jnp.asarray(deleted, person.xy.dtype))


def _without_random(key, person: ShownPerson) -> Keypoints2D:
    kept = jax.random.bernoulli(key, 1.0 - _RANDOM_RATE, (_NUM_25,))
    return Keypoints2D(person.xy, kept.astype(person.xy.dtype))


def make_benchmark(
    clips: Sequence[HeldOutClip],
    body: BodyModel,
    detector: DetectorErrors,
    people_per_part: int,
    seed: int = 0,
) -> BenchmarkPeople:
    """Returns the benchmark of clips; the randomness of a person is the person's own.

    Frames are taken at equal distances from the clips of a part, in the order of their
    names. Shapes and cameras are drawn as for training.

    Args:
      clips: clips that no training saw; a part is the clips of one split.
      body: the body model.
      detector: how the detector that ships errs.
      people_per_part: number of people of each part.
      seed: seed of everything random.

    Raises:
      InputError: a part has fewer frames than people.
    """
    poses, parts, actions = [], [], []
    for part in sorted({clip.split.value for clip in clips}):
        of_part = sorted(
            (c for c in clips if c.split.value == part), key=lambda c: c.name
        )
        frames = np.concatenate([clip.axis_angle for clip in of_part])
        names = np.repeat(
            [action_of(clip.name) for clip in of_part],
            [len(clip.axis_angle) for clip in of_part],
        )
        if len(frames) < people_per_part:
            what = f"has {len(frames)} frames, fewer than {people_per_part} people"
            raise InputError(part, what)
        chosen = np.linspace(0, len(frames) - 1, people_per_part).round().astype(int)
        poses.append(frames[chosen])
        actions += names[chosen].tolist()
        parts += [part] * people_per_part
    conditions = benchmark_conditions(detector)
    show = jax.jit(
        jax.vmap(functools.partial(_shown, body, tuple(conditions.values())))
    )
    person, keypoints = measure_people(show, np.concatenate(poses), _BATCH, seed)
    return BenchmarkPeople(
        body=person.body,
        xy=person.xy,
        keypoints=jax.tree.map(lambda *a: np.stack(a), *keypoints),
        conditions=tuple(conditions),
        parts=tuple(parts),
        actions=tuple(actions),
    )


def _shown(
    body: BodyModel, conditions: tuple[Callable, ...], axis_angle, key
) -> tuple[ShownPerson, tuple[Keypoints2D, ...]]:
    person, detector_key = show_person(key, axis_angle, body)
    keys = jax.random.split(detector_key, len(conditions))
    return person, tuple(
        show(key, person) for show, key in zip(conditions, keys, strict=True)
    )


def _as_arrays(people: BenchmarkPeople) -> dict[str, np.ndarray]:
    return {
        "version": np.array([VERSION]),
        "conditions": np.array(people.conditions, str),
        "parts": np.array(people.parts, str),
        "actions": np.array(people.actions, str),
        "joints": np.asarray(people.body.joints, np.float32),
        "kinematic_joints": np.asarray(people.body.kinematic_joints, np.float32),
        "xy": np.asarray(people.xy, np.float32),
        "keypoints_xy": np.asarray(people.keypoints.xy, np.float32),
        "keypoints_confidence": np.asarray(people.keypoints.confidence, np.float32),
    }


def write_benchmark(path: str | os.PathLike, people: BenchmarkPeople) -> None:
    """Writes a file of the benchmark in one step.

    Args:
      path: file to write, `.npz`.
      people: the people.

    Raises:
      InputError: the file cannot be written.
    """
    write_npz(path, _as_arrays(people))


def read_benchmark(path: str | os.PathLike) -> BenchmarkPeople:
    """Returns the people of a file that `write_benchmark` wrote.

    Args:
      path: path of the file.

    Raises:
      InputError: the file cannot be read, is of another kind or of another version.
    """
    joints = len(skeleton.JOINTS_44), len(skeleton.SMPL_24)
    arrays = read_npz(
        pathlib.Path(path),
        {
            "version": Expected((1,), "integer"),
            "conditions": Expected(("C",), "text"),
            "parts": Expected(("P",), "text"),
            "actions": Expected(("P",), "text"),
            "joints": Expected(("P", joints[0], 3)),
            "kinematic_joints": Expected(("P", joints[1], 3)),
            "xy": Expected(("P", _NUM_25, 2)),
            "keypoints_xy": Expected(("C", "P", _NUM_25, 2)),
            "keypoints_confidence": Expected(("C", "P", _NUM_25)),
        },
    )
    version = int(arrays["version"][0])
    if version != VERSION:
        what = f"is version {version} of the benchmark, and this program has {VERSION}"
        raise InputError(path, what)
    names = {k: tuple(map(str, arrays[k])) for k in ("conditions", "parts", "actions")}
    if not names["parts"] or not names["conditions"]:
        raise InputError(path, "holds nobody")
    return BenchmarkPeople(
        body=Body(arrays["joints"], arrays["kinematic_joints"]),
        xy=arrays["xy"],
        keypoints=Keypoints2D(arrays["keypoints_xy"], arrays["keypoints_confidence"]),
        **names,
    )
