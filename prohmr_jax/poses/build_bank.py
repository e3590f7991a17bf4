"""Builds a large and varied bank of poses from a small motion capture.

Captured frames are drawn evenly over the kinds of pose that they show, varied and
recombined. Procedural stances and gestures add kinds of pose that the capture lacks,
and at last poses of all sources are blended. Every pose respects the joint limits and
is free of self-intersections. The tools for the pose bank and the pose prior call it.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
from jaxtyping import Bool, Float
from scipy.cluster.vq import kmeans2

from prohmr_jax.poses.bank import PoseBank
from prohmr_jax.poses.kinematics import (
    joint_positions,
    mirrored,
    split_heading,
    to_axis_angle,
    to_rotmat,
    turn,
    world_rotations,
)
from prohmr_jax.poses.limits import free_of_self_intersection, within_joint_limits
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.procedural.compose import pose_from_stance, with_new_arms
from prohmr_jax.poses.procedural.low_stances import LOW
from prohmr_jax.poses.procedural.stances import Rng, StanceSampler
from prohmr_jax.poses.procedural.upright_stances import UPRIGHT
from prohmr_jax.skeleton import SMPL_24

_MAX_BATCH = 4096
_NUM_CLUSTERS = 300
_CAPTURED = "capture"

# Share of the bank that each source provides; the shares are divided by their sum.
SHARES = {
    _CAPTURED: 0.10,
    "capture, varied": 0.10,
    "capture, recombined": 0.08,
    "capture, new arms": 0.10,
    "stand": 0.06, "bend over": 0.035, "squat": 0.045, "lunge": 0.055,
    "side lunge": 0.025, "stride": 0.05, "kick": 0.05, "one leg": 0.03, "jump": 0.06,
    "sit on chair": 0.05, "sit on floor": 0.03,
    "sit cross-legged": 0.015, "kneel": 0.03, "lie": 0.03,
    "all fours": 0.02, "plank": 0.015, "airborne": 0.02,
    "blend": 0.11,
}  # fmt: skip

# Standard deviation of the natural variation of each joint, radians, before scaling.
_VARIATION = {
    "pelvis": 0.08, "spine1": 0.06, "spine2": 0.04, "spine3": 0.06, "neck": 0.12,
    "head": 0.08, "hip": 0.13, "knee": 0.05, "ankle": 0.12, "foot": 0.1,
    "collar": 0.06, "shoulder": 0.2, "elbow": 0.05, "wrist": 0.2, "hand": 0.08,
}  # fmt: skip
# Knees and elbows vary more about the axis of their hinge: its vector, radians.
_HINGED = {
    "left_knee": (0.2, 0, 0), "right_knee": (0.2, 0, 0),
    "left_elbow": (0, -0.2, 0.06), "right_elbow": (0, 0.2, -0.06),
}  # fmt: skip

_ARM_PARTS = ("collar", "shoulder", "elbow", "wrist", "hand")
_LEG_PARTS = ("hip", "knee", "ankle", "foot")


def build_pose_bank(clips: Iterable[Clip], num_poses: int, seed: int) -> PoseBank:
    """Returns a bank of about `num_poses` poses in random order.

    The headings are uniform. The same clips and seed give the same bank.

    Args:
      clips: captured clips to start from, without those that are held out for tests.
      num_poses: approximate size of the bank.
      seed: seed of the random generator that draws all poses.
    """
    rng = np.random.default_rng(seed)
    capture = Capture.from_clips(rng, clips)
    samplers = _samplers(capture)
    total = sum(SHARES.values())
    parts = []
    for name, share in SHARES.items():
        count = max(1, round(num_poses * share / total))
        if name == "blend":
            pool = np.concatenate(parts)
            sampler: Sampler = lambda r, n, pool=pool: blend(r, pool, n)  # noqa: E731
        else:
            sampler = samplers[name]
        parts.append(_accepted(rng, sampler, count))
    source = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    order = rng.permutation(len(source))
    poses = np.concatenate(parts)[order]
    return PoseBank(
        _with_random_heading(rng, poses).astype(np.float32),
        source[order].astype(np.uint8),
        tuple(SHARES),
    )


@dataclasses.dataclass(frozen=True)
class Capture:
    """Holds captured frames and the probability of drawing each."""

    poses: np.ndarray
    """[N, 24, 3] float64, axis-angle, radians, with heading zero; each frame is there
    together with its mirror image."""
    probability: np.ndarray
    """[N], probabilities that sum to 1."""

    @classmethod
    def from_clips(cls, rng: Rng, clips: Iterable[Clip]) -> "Capture":
        """Returns the anatomically possible frames of clips and their mirror images.

        The frames are clustered by their joint positions. The larger the cluster of a
        frame, the smaller its probability, so that common kinds of pose prevail less.

        Args:
          rng: random generator for the initial centres of the clusters.
          clips: captured clips.
        """
        poses = np.concatenate([clip.axis_angle for clip in clips]).astype(np.float64)
        poses = np.concatenate([poses, mirrored(poses)])
        poses = poses[_possible(poses)]
        poses[:, 0] = split_heading(to_rotmat(poses[:, 0]))[1]
        joints = joint_positions(world_rotations(to_rotmat(poses)))
        flat = joints.reshape(len(joints), -1)
        num_clusters = min(_NUM_CLUSTERS, max(1, len(flat) // 10))
        _, cluster = kmeans2(flat, num_clusters, minit="points", rng=rng)
        # An exponent of 0 would make all frames equally likely, -1 all clusters.
        weight = np.bincount(cluster)[cluster] ** -0.7
        return cls(poses, weight / weight.sum())

    def draw(self, rng: Rng, n: int) -> Float[np.ndarray, "n 24 3"]:
        """Returns n random frames [n, 24, 3], axis-angle, radians."""
        return self.poses[rng.choice(len(self.poses), size=n, p=self.probability)]


Sampler = Callable[[Rng, int], np.ndarray]
"""Draws n poses [n, 24, 3], axis-angle, radians, which need not be possible."""


def _samplers(capture: Capture) -> dict[str, Sampler]:
    def stance_poses(rng: Rng, n: int, stance: StanceSampler) -> np.ndarray:
        poses = pose_from_stance(rng, stance(rng, n))
        # A quarter of the poses get arms of captured frames, which are more natural.
        chosen = rng.random(n) < 0.25
        donors = capture.draw(rng, int(chosen.sum()))
        poses[chosen] = with_joints_of(poses[chosen], donors, _arms())
        return vary(rng, poses, 0.3)

    samplers: dict[str, Sampler] = {
        _CAPTURED: lambda rng, n: vary(rng, capture.draw(rng, n), 0.2),
        "capture, varied": lambda rng, n: vary(
            rng, capture.draw(rng, n), rng.uniform(0.5, 1.6, (n, 1, 1))
        ),
        "capture, recombined": lambda rng, n: vary(
            rng, recombine(rng, *(capture.draw(rng, n) for _ in range(3))), 0.4
        ),
        "capture, new arms": lambda rng, n: vary(
            rng, with_new_arms(rng, capture.draw(rng, n)), 0.4
        ),
    }
    for name, stance in (UPRIGHT | LOW).items():
        samplers[name] = lambda rng, n, s=stance: stance_poses(rng, n, s)
    return samplers


def vary(
    rng: Rng, poses: Float[np.ndarray, "n 24 3"], scale: float | np.ndarray
) -> Float[np.ndarray, "n 24 3"]:
    """Returns poses [n, 24, 3] with random turns added to every joint.

    The standard deviation is larger for joints that move more freely.

    Args:
      rng: random generator.
      poses: [n, 24, 3], axis-angle, radians.
      scale: factor on the standard deviations, broadcastable to [n, 1, 1].
    """
    deviation = np.array([_VARIATION[name.split("_")[-1]] for name in SMPL_24.names])[
        :, None
    ]
    noise = rng.normal(0.0, 1.0, poses.shape) * deviation
    for name, hinge in _HINGED.items():
        noise[:, SMPL_24.index(name)] += rng.normal(0, 1, (len(poses), 1)) * hinge
    return to_axis_angle(to_rotmat(poses) @ to_rotmat(noise * scale))


def _arms() -> tuple[str, ...]:
    return tuple(f"{side}_{part}" for side in ("left", "right") for part in _ARM_PARTS)


def with_joints_of(
    poses: Float[np.ndarray, "n 24 3"],
    donors: Float[np.ndarray, "n 24 3"],
    joints: tuple[str, ...],
) -> Float[np.ndarray, "n 24 3"]:
    """Returns poses [n, 24, 3] in which some joints are replaced by those of others.

    Args:
      poses: [n, 24, 3], axis-angle, radians.
      donors: [n, 24, 3], poses that the joints are taken from.
      joints: names in SMPL_24 of the joints to replace.
    """
    combined = poses.copy()
    columns = list(SMPL_24.indices(*joints))
    combined[:, columns] = donors[:, columns]
    return combined


def recombine(
    rng: Rng,
    lower: Float[np.ndarray, "n 24 3"],
    upper: Float[np.ndarray, "n 24 3"],
    arm: Float[np.ndarray, "n 24 3"],
) -> Float[np.ndarray, "n 24 3"]:
    """Returns poses [n, 24, 3] that combine parts of three poses.

    Args:
      rng: random generator.
      lower: [n, 24, 3], poses that give the legs and the orientation of the root.
      upper: [n, 24, 3], poses that give the trunk, the head and the arms.
      arm: [n, 24, 3], poses of which a random half gives the left arm.
    """
    legs = tuple(f"{s}_{part}" for s in ("left", "right") for part in _LEG_PARTS)
    whole = with_joints_of(upper, lower, ("pelvis", *legs))
    chosen = rng.random(len(whole)) < 0.5
    left = tuple(f"left_{part}" for part in _ARM_PARTS)
    whole[chosen] = with_joints_of(whole[chosen], arm[chosen], left)
    return whole


def blend(rng: Rng, pool: Float[np.ndarray, "N 24 3"], n: int) -> np.ndarray:
    """Returns n poses that interpolate or recombine random poses of a pool.

    Args:
      rng: random generator.
      pool: [N, 24, 3], axis-angle, radians.
      n: number of poses to return.
    """
    first, second, third = (pool[rng.integers(len(pool), size=n)] for _ in range(3))
    between = to_rotmat(first)
    step = to_axis_angle(np.swapaxes(between, -1, -2) @ to_rotmat(second))
    share = rng.uniform(0.2, 0.6, (n, 1, 1))
    between = to_axis_angle(between @ to_rotmat(step * share))
    swapped = recombine(rng, first, second, third)
    halfway = rng.random((n, 1, 1)) < 0.5
    return vary(rng, np.where(halfway, between, swapped), 0.3)


def _possible(poses: np.ndarray) -> Bool[np.ndarray, " n"]:
    """Returns [n], True for poses within the limits and without self-intersection."""
    fine = within_joint_limits(poses)
    fine[fine] = free_of_self_intersection(poses[fine])
    return fine


def _accepted(rng: Rng, sampler: Sampler, count: int) -> np.ndarray:
    """Returns `count` possible poses of a sampler, of which half are mirrored."""
    accepted: list[np.ndarray] = []
    while (missing := count - sum(map(len, accepted))) > 0:
        poses = sampler(rng, min(_MAX_BATCH, 2 * missing + 8))
        poses = np.where(rng.random((len(poses), 1, 1)) < 0.5, mirrored(poses), poses)
        accepted.append(poses[_possible(poses)])
    return np.concatenate(accepted)[:count]


def _with_random_heading(rng: Rng, poses: np.ndarray) -> np.ndarray:
    """Returns poses whose root is turned about the vertical by a uniform angle."""
    root = SMPL_24.index("pelvis")
    turned = turn("y", rng.uniform(-np.pi, np.pi, len(poses)))
    poses = poses.copy()
    poses[:, root] = to_axis_angle(turned @ to_rotmat(poses[:, root]))
    return poses
