"""How well the model lifts poses that it never saw, in a Markdown table.

Held-out clips are posed with random shapes, seen by random cameras all around, and
given to the model as exact, noisy and half-hidden keypoints. Errors are means over
frames, then over clips' actions, so that long clips do not count more. The mean pose
of the prior stands in the same table: what an answer that ignores the input scores.
"""

import dataclasses
import logging
import pathlib
from collections.abc import Callable, Iterable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float
from tqdm import tqdm

from prohmr_jax import cameras, skeleton
from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.checkpoint import SHIPPED_WEIGHTS, load_weights
from prohmr_jax.data.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.data.poses.splits import Split, action_of
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.metrics import masked_mean, mpjpe, pa_mpjpe, relative_to, spread
from prohmr_jax.models.prohmr import PreparedProHMR, prepare
from prohmr_jax.models.spec import build_model
from prohmr_jax.pose_prior import PosePrior, load_pose_prior, sample
from prohmr_jax.predict import predict
from prohmr_jax.rotations import axis_angle_to_rotmat, nearest_rotmat
from prohmr_jax.structs import Body, Keypoints2D, SmplParams
from prohmr_jax.synthesis import (
    JITTER_25,
    SynthesisSettings,
    random_camera,
    random_view,
)

_LOG = logging.getLogger(__name__)
_BODY_25 = len(skeleton.BODY_25)
_MM = 1000.0


def _halves() -> np.ndarray:
    """[4, 25]: what is hidden when a half of the body is."""
    names = np.array(skeleton.BODY_25.names)
    legs = ("hip", "knee", "ankle", "toe", "heel")
    lower = np.array([any(part in name for part in legs) for name in names])
    left = np.array([name.startswith("left_") for name in names])
    right = np.array([name.startswith("right_") for name in names])
    return np.stack([lower, ~lower, left, right])


HALVES = _halves()


def exact(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns true positions, all seen, full confidence."""
    return Keypoints2D(xy=xy, confidence=jnp.ones(xy.shape[:-1]))


def noisy(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns positions with half the annotators' spread: 0.6-2.6 % of the box."""
    side = jnp.max(jnp.max(xy, axis=0) - jnp.min(xy, axis=0))
    noise = 0.5 * side * JITTER_25[:, None] * jax.random.normal(key, xy.shape)
    return exact(key, xy + noise)


def half_hidden(key: jax.Array, xy: Float[Array, "25 2"]) -> Keypoints2D:
    """Returns true positions with the upper, lower, left or right half missing."""
    hidden = jnp.asarray(HALVES)[jax.random.randint(key, (), 0, len(HALVES))]
    return Keypoints2D(xy=xy, confidence=1.0 - hidden.astype(jnp.float32))


CONDITIONS: dict[str, Callable] = {
    "exact": exact,
    "noisy": noisy,
    "half hidden": half_hidden,
}


@struct.dataclass
class Errors:
    """Of people; millimetres, over one list of joints each."""

    mode_pa_mpjpe: Float[Array, " B"]
    best_pa_mpjpe: Float[Array, " B"]
    mode_mpjpe: Float[Array, " B"]
    best_mpjpe: Float[Array, " B"]
    mean_pose_pa_mpjpe: Float[Array, " B"]
    mean_pose_mpjpe: Float[Array, " B"]


@struct.dataclass
class Consistency:
    """Of people: how samples agree with what was seen, and differ where it was not."""

    visible_spread: Float[Array, " B"]
    """Mean distance from the samples' mean, over the joints seen, mm."""
    hidden_spread: Float[Array, " B"]
    """Over the joints not seen, mm; 0 if there are none."""
    mode_error_2d: Float[Array, " B"]
    """Mean distance on the joints seen, percent of the box."""
    samples_error_2d: Float[Array, " B"]


@struct.dataclass
class PersonErrors:
    """All that is measured of people under one condition."""

    h36m_14: Errors
    smpl_24: Errors
    consistency: Consistency


def mean_pose(prior: PosePrior, num_draws: int = 20_000) -> Float[Array, "23 3 3"]:
    """Returns the rotation-wise mean of poses drawn from the prior."""
    _, body_pose = sample(prior, jax.random.key(0), (num_draws,))
    return nearest_rotmat(jnp.mean(body_pose, axis=0))


def make_evaluation(
    model: PreparedProHMR,
    body: BodyModel,
    mean_body_pose: Float[Array, "23 3 3"],
    condition: Callable,
    num_hypotheses: int,
) -> Callable:
    """Returns the jitted `(poses [B, 24, 3], key) -> PersonErrors` of one condition."""
    settings = SynthesisSettings()
    upright = SmplParams(
        # Facing the camera: body axes (Y up) to camera axes (y down).
        global_orient=jnp.diag(jnp.array([1.0, -1.0, -1.0])),
        body_pose=mean_body_pose,
        betas=jnp.zeros(body.num_betas),
    )
    baseline = body_joints(body, upright)

    def person(key, axis_angle):
        view_key, shape_key, camera_key, detector_key = jax.random.split(key, 4)
        rotmats = axis_angle_to_rotmat(axis_angle)
        truth = body_joints(
            body,
            SmplParams(
                global_orient=random_view(view_key, settings) @ rotmats[0],
                body_pose=rotmats[1:],
                betas=jax.random.normal(shape_key, (body.num_betas,)),
            ),
        )
        camera = random_camera(camera_key, truth.joints, settings)
        xy = cameras.project(truth.joints, camera)[:_BODY_25]
        return truth, xy, condition(detector_key, xy)

    @jax.jit
    def evaluate(poses, key) -> PersonErrors:
        person_key, sample_key = jax.random.split(key)
        keys = jax.random.split(person_key, len(poses))
        truth, xy, keypoints = jax.vmap(person)(keys, poses)
        prediction = predict(model, body, keypoints, sample_key, num_hypotheses)
        predicted_xy = prediction.joints_2d[..., :_BODY_25, :]
        target_xy = cameras.image_to_crop(xy, prediction.box)
        return PersonErrors(
            h36m_14=_errors(
                prediction.body, truth, baseline, lambda b: _h36m_14(b.joints)
            ),
            smpl_24=_errors(prediction.body, truth, baseline, _smpl_24),
            consistency=_consistency(
                prediction.body.joints[..., :_BODY_25, :],
                predicted_xy,
                target_xy,
                keypoints.confidence > 0,
            ),
        )

    return evaluate


def _h36m_14(joints):
    joints = relative_to(joints, skeleton.PELVIS_44)
    chosen = skeleton.EVAL_H36M_14.positions_in(skeleton.JOINTS_44)
    return joints[..., chosen, :]


def _smpl_24(body: Body):
    return relative_to(body.kinematic_joints, skeleton.SMPL_24.index("pelvis"))


def _errors(predicted: Body, truth: Body, baseline: Body, joints_of) -> Errors:
    ours, true, mean = joints_of(predicted), joints_of(truth), joints_of(baseline)
    pa = _MM * pa_mpjpe(ours, true[:, None])
    raw = _MM * mpjpe(ours, true[:, None])
    mean = jnp.broadcast_to(mean, true.shape)
    return Errors(
        mode_pa_mpjpe=pa[:, 0],
        best_pa_mpjpe=jnp.min(pa, axis=1),
        mode_mpjpe=raw[:, 0],
        best_mpjpe=jnp.min(raw, axis=1),
        mean_pose_pa_mpjpe=_MM * pa_mpjpe(mean, true),
        mean_pose_mpjpe=_MM * mpjpe(mean, true),
    )


def _consistency(
    joints: Float[Array, "B K 25 3"],
    xy: Float[Array, "B K 25 2"],
    target_xy: Float[Array, "B 25 2"],
    visible: Bool[Array, "B 25"],
) -> Consistency:
    # Relative to the centroid of what was seen: no joint's spread is zero by choice.
    weights = visible[:, None, :, None] / jnp.sum(visible, axis=1)[:, None, None, None]
    samples = joints[:, 1:]
    samples = samples - jnp.sum(weights * samples, axis=2, keepdims=True)
    spreads = _MM * spread(samples)
    distance = 100.0 * jnp.linalg.norm(xy - target_xy[:, None], axis=-1)
    of_person = jax.vmap(masked_mean)
    return Consistency(
        visible_spread=of_person(spreads, visible),
        hidden_spread=of_person(spreads, ~visible),
        mode_error_2d=of_person(distance[:, 0], visible),
        samples_error_2d=of_person(jnp.mean(distance[:, 1:], axis=1), visible),
    )


@dataclasses.dataclass(frozen=True)
class ActionErrors:
    """Means over the people of one action."""

    split: Split
    action: str
    num_people: int
    means: PersonErrors


def evaluate_clips(
    evaluation: Callable,
    clips: Iterable[HeldOutClip],
    frame_step: int,
    views: int,
    batch_size: int,
    seed: int,
) -> list[ActionErrors]:
    """Returns errors per action.

    Args:
      evaluation: of `make_evaluation`.
      clips: held-out clips.
      frame_step: every so many frames of a clip are used (30 a second).
      views: cameras, and shapes, per frame.
      batch_size: people at a time; one size, so that nothing is compiled again.
      seed: of shapes, cameras, detections and samples.
    """
    groups: dict[tuple[Split, str], list[np.ndarray]] = {}
    for clip in clips:
        groups.setdefault((clip.split, action_of(clip.name)), []).append(
            clip.axis_angle[::frame_step]
        )
    key = jax.random.key(seed)
    rows = []
    for number, ((split, action), parts) in enumerate(sorted(
        groups.items(), key=lambda item: (item[0][0].value, item[0][1])
    )):  # fmt: skip
        poses = np.repeat(np.concatenate(parts), views, axis=0)
        batches = []
        for start in range(0, len(poses), batch_size):
            chunk = poses[start : start + batch_size]
            padded = np.resize(chunk, (batch_size, *chunk.shape[1:]))
            batch_key = jax.random.fold_in(jax.random.fold_in(key, number), start)
            errors = jax.device_get(evaluation(jnp.asarray(padded), batch_key))
            real = slice(len(chunk))
            batches.append(jax.tree.map(lambda a, real=real: a[real], errors))
        people = jax.tree.map(lambda *a: np.concatenate(a), *batches)
        means = jax.tree.map(lambda a: float(np.mean(a)), people)
        rows.append(ActionErrors(split, action, len(poses), means))
    return rows


def mean_over_actions(rows: list[ActionErrors], split: Split) -> PersonErrors | None:
    """Returns the mean of the actions' means in one split; None if it has none."""
    means = [row.means for row in rows if row.split is split]
    return jax.tree.map(lambda *a: float(np.mean(a)), *means) if means else None


def markdown_table(
    results: dict[str, list[ActionErrors]], num_samples: int, heading: str
) -> str:
    """Returns the report: one row per split, condition and joint list.

    Args:
      results: condition -> errors per action.
      num_samples: N of best-of-N.
      heading: what was measured, with which command.
    """
    lines = [
        heading,
        "",
        f"| poses | keypoints | joints | mode PA-MPJPE | best of {num_samples} PA | "
        f"mean pose PA | mode MPJPE | best of {num_samples} MPJPE | mean pose MPJPE |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    consistency = [
        "",
        "| poses | keypoints | spread seen (mm) | spread hidden (mm) | "
        "2D error of the mode (% of box) | of samples |",
        "|---|---|---|---|---|---|",
    ]
    for split in (Split.SEEN_ACTION, Split.UNSEEN_ACTION, Split.ORIGINAL_CLIP):
        for condition, rows in results.items():
            means = mean_over_actions(rows, split)
            if means is None:
                continue
            actions = [row for row in rows if row.split is split]
            people = sum(row.num_people for row in actions)
            name = f"{split.value} ({len(actions)} actions, {people} people)"
            for label, errors in (
                ("H36M-14", means.h36m_14), ("SMPL-24", means.smpl_24)
            ):  # fmt: skip
                lines.append(
                    f"| {name} | {condition} | {label} | {errors.mode_pa_mpjpe:.1f} | "
                    f"{errors.best_pa_mpjpe:.1f} | {errors.mean_pose_pa_mpjpe:.1f} | "
                    f"{errors.mode_mpjpe:.1f} | {errors.best_mpjpe:.1f} | "
                    f"{errors.mean_pose_mpjpe:.1f} |"
                )
            c = means.consistency
            consistency.append(
                f"| {split.value} | {condition} | {c.visible_spread:.1f} | "
                f"{c.hidden_spread:.1f} | {c.mode_error_2d:.2f} | "
                f"{c.samples_error_2d:.2f} |"
            )
    return "\n".join(lines + consistency) + "\n"


def run_evaluation(config: ml_collections.ConfigDict) -> str:
    """Evaluates weights on held-out clips; writes and returns the report.

    Args:
      config: see `configs/evaluate_keypoints.py`.

    Raises:
      InputError: weights, body or clips cannot be used.
    """
    weights = pathlib.Path(config.checkpoint or SHIPPED_WEIGHTS)
    spec, variables = load_weights(weights)
    body = read_body(config.body)
    model = prepare(build_model(spec), variables)
    clips = read_held_out_clips(config.held_out)
    pose = mean_pose(load_pose_prior(config.pose_prior or None))
    results = {}
    for name, condition in tqdm(CONDITIONS.items(), desc="conditions"):
        evaluation = make_evaluation(
            model, body, pose, condition, 1 + config.num_samples
        )
        results[name] = evaluate_clips(
            evaluation,
            clips,
            config.frame_step,
            config.views,
            config.batch_size,
            config.seed,
        )
    report = markdown_table(
        results,
        config.num_samples,
        f"Weights `{weights.name}`, body `{config.body}`, "
        f"{config.num_samples} samples, seed {config.seed}; errors in millimetres, "
        "means over actions.",
    )
    if config.output:
        write_atomically(config.output, lambda s: s.write(report.encode()))
        _LOG.info("wrote %s", config.output)
    print(report)
    return report
