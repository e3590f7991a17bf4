"""A large and varied bank of poses from a narrow capture.

The captured frames are drawn evenly over the kinds of pose they hold, varied, and
recombined; procedural stances and gestures add what the capture lacks; finally poses
of all sources are blended. Every pose passes the joint limits and the check against
limbs in the body. The same clips and seed give the same bank.
"""

import dataclasses
from collections.abc import Callable, Iterable

import numpy as np
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
from prohmr_jax.poses.limits import clear_of_itself, within_joint_limits
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.procedural.compose import pose_from_stance, with_new_arms
from prohmr_jax.poses.procedural.low_stances import LOW
from prohmr_jax.poses.procedural.stances import Rng, StanceSampler
from prohmr_jax.poses.procedural.upright_stances import UPRIGHT
from prohmr_jax.skeleton import SMPL_24

_MAX_BATCH = 4096
_NUM_KINDS = 300
_CAPTURED = "capture"

# Share of the bank that each source makes up; they need not add up to 1.
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

# Deviation of natural variation by joint, radians, before it is scaled.
_VARIATION = {
    "pelvis": 0.08, "spine1": 0.06, "spine2": 0.04, "spine3": 0.06, "neck": 0.12,
    "head": 0.08, "hip": 0.13, "knee": 0.05, "ankle": 0.12, "foot": 0.1,
    "collar": 0.06, "shoulder": 0.2, "elbow": 0.05, "wrist": 0.2, "hand": 0.08,
}  # fmt: skip
# Knees and elbows vary more about their hinge.
_HINGED = {
    "left_knee": (0.2, 0, 0), "right_knee": (0.2, 0, 0),
    "left_elbow": (0, -0.2, 0.06), "right_elbow": (0, 0.2, -0.06),
}  # fmt: skip

_ARM_PARTS = ("collar", "shoulder", "elbow", "wrist", "hand")
_LEG_PARTS = ("hip", "knee", "ankle", "foot")


def widen(clips: Iterable[Clip], num_poses: int, seed: int) -> PoseBank:
    """Returns a bank of about `num_poses` poses, shuffled, headings uniform.

    Args:
      clips: captured clips to start from; the caller leaves out the held-out ones.
      num_poses: size of the bank.
      seed: of everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    capture = Capture.of(rng, clips)
    samplers = _samplers(capture)
    total = sum(SHARES.values())
    made = []
    for name, share in SHARES.items():
        count = max(1, round(num_poses * share / total))
        if name == "blend":
            pool = np.concatenate(made)
            sampler: Sampler = lambda r, n, pool=pool: blend(r, pool, n)  # noqa: E731
        else:
            sampler = samplers[name]
        made.append(_accepted(rng, sampler, count))
    source = np.repeat(np.arange(len(made)), [len(part) for part in made])
    order = rng.permutation(len(source))
    poses = np.concatenate(made)[order]
    return PoseBank(
        _with_random_heading(rng, poses).astype(np.float32),
        source[order].astype(np.uint8),
        tuple(SHARES),
    )


@dataclasses.dataclass(frozen=True)
class Capture:
    """Captured frames and how often to draw each."""

    poses: np.ndarray
    """[N, 24, 3], right and left mirrored, heading zero."""
    probability: np.ndarray
    """[N]"""

    @classmethod
    def of(cls, rng: Rng, clips: Iterable[Clip]) -> "Capture":
        """Returns the possible frames; common kinds of pose weigh less per frame."""
        poses = np.concatenate([clip.axis_angle for clip in clips]).astype(np.float64)
        poses = np.concatenate([poses, mirrored(poses)])
        poses = poses[_possible(poses)]
        poses[:, 0] = split_heading(to_rotmat(poses[:, 0]))[1]
        joints = joint_positions(world_rotations(to_rotmat(poses)))
        flat = joints.reshape(len(joints), -1)
        num_kinds = min(_NUM_KINDS, max(1, len(flat) // 10))
        _, kind = kmeans2(flat, num_kinds, minit="points", rng=rng)
        # Between all frames alike and all kinds alike.
        weight = np.bincount(kind)[kind] ** -0.7
        return cls(poses, weight / weight.sum())

    def draw(self, rng: Rng, n: int) -> np.ndarray:
        """Returns n frames [n, 24, 3]."""
        return self.poses[rng.choice(len(self.poses), size=n, p=self.probability)]


Sampler = Callable[[Rng, int], np.ndarray]


def _samplers(capture: Capture) -> dict[str, Sampler]:
    def stance_poses(rng: Rng, n: int, stance: StanceSampler) -> np.ndarray:
        poses = pose_from_stance(rng, stance(rng, n))
        # A quarter take captured arms, which move as people's arms do.
        mine = rng.random(n) < 0.25
        poses[mine] = graft(poses[mine], capture.draw(rng, mine.sum()), _arms())
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


def vary(rng: Rng, poses: np.ndarray, scale: float | np.ndarray) -> np.ndarray:
    """Returns poses [n, 24, 3] with noise in every joint, more where joints are free.

    Args:
      rng: source of chance.
      poses: [n, 24, 3].
      scale: of the noise, one for all or broadcastable to [n, 1, 1].
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


def graft(poses: np.ndarray, donors: np.ndarray, joints: tuple[str, ...]) -> np.ndarray:
    """Returns poses [n, 24, 3] with the rotations of the named joints of donors."""
    grafted = poses.copy()
    columns = list(SMPL_24.indices(*joints))
    grafted[:, columns] = donors[:, columns]
    return grafted


def recombine(
    rng: Rng, lower: np.ndarray, upper: np.ndarray, arm: np.ndarray
) -> np.ndarray:
    """Returns poses [n, 24, 3] with legs, trunk and at times one arm of three frames.

    The legs bring their root orientation along.
    """
    legs = tuple(f"{s}_{part}" for s in ("left", "right") for part in _LEG_PARTS)
    whole = graft(upper, lower, ("pelvis", *legs))
    one = rng.random(len(whole)) < 0.5
    left = tuple(f"left_{part}" for part in _ARM_PARTS)
    whole[one] = graft(whole[one], arm[one], left)
    return whole


def blend(rng: Rng, pool: np.ndarray, n: int) -> np.ndarray:
    """Returns n poses between, or recombined from, pairs of a pool [N, 24, 3]."""
    first, second, third = (pool[rng.integers(len(pool), size=n)] for _ in range(3))
    between = to_rotmat(first)
    step = to_axis_angle(np.swapaxes(between, -1, -2) @ to_rotmat(second))
    share = rng.uniform(0.2, 0.6, (n, 1, 1))
    between = to_axis_angle(between @ to_rotmat(step * share))
    swapped = recombine(rng, first, second, third)
    halfway = rng.random((n, 1, 1)) < 0.5
    return vary(rng, np.where(halfway, between, swapped), 0.3)


def _possible(poses: np.ndarray) -> np.ndarray:
    fine = within_joint_limits(poses)
    fine[fine] = clear_of_itself(poses[fine])
    return fine


def _accepted(rng: Rng, sampler: Sampler, count: int) -> np.ndarray:
    """Returns `count` possible poses of a sampler, half of them mirrored."""
    accepted: list[np.ndarray] = []
    while (missing := count - sum(map(len, accepted))) > 0:
        poses = sampler(rng, min(_MAX_BATCH, 2 * missing + 8))
        poses = np.where(rng.random((len(poses), 1, 1)) < 0.5, mirrored(poses), poses)
        accepted.append(poses[_possible(poses)])
    return np.concatenate(accepted)[:count]


def _with_random_heading(rng: Rng, poses: np.ndarray) -> np.ndarray:
    root = SMPL_24.index("pelvis")
    turned = turn("y", rng.uniform(-np.pi, np.pi, len(poses)))
    poses = poses.copy()
    poses[:, root] = to_axis_angle(turned @ to_rotmat(poses[:, root]))
    return poses
