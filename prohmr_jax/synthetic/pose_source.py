"""Draws the poses of rendered people, and keeps the poses of tests apart.

Every sixteenth Gaussian of the pose prior is held out for tests, each together with the
Gaussian that its mirror image belongs to, because training mirrors pictures. Training
poses come from the other Gaussians, or from a bank without those poses that belong to a
held-out Gaussian. A pose belongs to the Gaussian under which it is most likely.
"""

import dataclasses
import enum
import os

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from prohmr_jax.data.records import MocapArrays
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.rotations import mirror_pose
from prohmr_jax.poses.bank import read_pose_bank
from prohmr_jax.priors.gaussian_mixture import (
    NUM_BODY,
    PosePrior,
    component_log_probs,
    load_pose_prior,
    sample_axis_angle,
    sample_in_component,
)

_HOLD_OUT_FIRST, _HOLD_OUT_EVERY = 7, 16
_POSES_PER_BATCH = 1024
_NUM_BETAS = 10


class Split(enum.Enum):
    """Says what a rendered person is used for."""

    TRAIN = "train"
    TEST = "test"


@dataclasses.dataclass(frozen=True)
class PoseSource:
    """Holds what poses of both splits are drawn from."""

    prior: PosePrior
    """Pose prior with all of its Gaussians."""
    held_out: np.ndarray
    """Numbers of the Gaussians that are for tests alone."""
    bank: Float[Array, "N 24 3"] | None = None
    """Training poses, axis-angle, radians; None to draw them from the Gaussians that
    are not held out."""
    bank_component: Int[Array, " N"] | None = None
    """Number of the Gaussian to which each pose of the bank belongs; None without a
    bank."""

    @property
    def kept(self) -> np.ndarray:
        """Returns the numbers of the Gaussians that training may see."""
        return np.delete(np.arange(len(self.prior.weights_log)), self.held_out)

    def draw(
        self, split: Split, keys: jax.Array, numbers: np.ndarray
    ) -> tuple[Float[Array, "P 24 3"], Int[Array, " P"]]:
        """Draws one pose per person.

        Args:
          split: purpose of the people; test poses come from the held-out Gaussians,
            which take turns.
          keys: [P], random keys of the people; a pose depends only on the key and the
            number of its person.
          numbers: [P], numbers of the people in their split.

        Returns:
          Axis-angles, radians, with the root relative to a world with Y up, and the
          numbers of the Gaussians to which the poses belong.
        """
        pick_keys, noise_keys = (
            jax.vmap(lambda key, child=child: jax.random.fold_in(key, child))(keys)
            for child in (0, 1)
        )
        if split is Split.TEST:
            component = self.held_out[numbers % len(self.held_out)]
        elif self.bank is None:
            weights = self.prior.weights_log[self.kept]
            pick = jax.vmap(lambda key: jax.random.categorical(key, weights))
            component = self.kept[pick(pick_keys)]
        else:
            size = len(self.bank)
            pick = jax.vmap(lambda key: jax.random.randint(key, (), 0, size))
            row = np.asarray(pick(pick_keys))
            return jnp.asarray(self.bank[row]), jnp.asarray(self.bank_component[row])
        draw = jax.vmap(sample_in_component, in_axes=(None, 0, 0))
        return draw(self.prior, noise_keys, component), jnp.asarray(component)


def read_poses(
    prior: str | os.PathLike = "", bank: str | os.PathLike = ""
) -> PoseSource:
    """Reads what poses are drawn from.

    Args:
      prior: path of a pose prior; empty for the one that ships.
      bank: path of a bank of training poses, as `tools/make_pose_bank.py` writes it;
        empty to draw training poses from the prior.

    Raises:
      InputError: a file cannot be used, or holds too little to hold some out for tests.
    """
    mixture = load_pose_prior(prior or None)
    held_out = held_out_components(mixture)
    if not 0 < len(held_out) < len(mixture.weights_log):
        count = len(mixture.weights_log)
        raise InputError(
            prior, f"has {count} Gaussians, too few to hold some out for tests"
        )
    if not bank:
        return PoseSource(mixture, held_out)
    poses = read_pose_bank(bank).axis_angle
    component = _components(mixture, poses)
    kept = ~np.isin(component, held_out)
    if not kept.any():
        raise InputError(bank, "holds no pose but those held out for tests")
    return PoseSource(mixture, held_out, poses[kept], component[kept])


def held_out_components(prior: PosePrior) -> np.ndarray:
    """Returns the sorted numbers of the Gaussians that are held out for tests.

    They are every sixteenth Gaussian, and the Gaussians of their mirror images.
    """
    means = np.asarray(prior.means[:, :NUM_BODY]).reshape(len(prior.means), -1, 3)
    whole = np.concatenate([np.zeros_like(means[:, :1]), means], axis=1)
    mirror_component = _components(prior, np.asarray(mirror_pose(whole)))
    held_out: set[int] = set()
    added = set(range(_HOLD_OUT_FIRST, len(mirror_component), _HOLD_OUT_EVERY))
    while added:
        held_out |= added
        added = {int(mirror_component[number]) for number in added} - held_out
    return np.array(sorted(held_out), int)


def training_mocap(
    poses: PoseSource, key: jax.Array, num_poses: int = 50_000
) -> MocapArrays:
    """Returns random poses and shapes for the discriminator.

    Args:
      poses: source of the poses; those of its Gaussians that are not held out are
        used, not its bank.
      key: random key.
      num_poses: number of poses to draw.
    """
    pose_key, betas_key = jax.random.split(key)
    kept = jax.tree.map(lambda a: a[poses.kept], poses.prior)
    axis_angle = sample_axis_angle(kept, pose_key, (num_poses,))
    return MocapArrays(
        body_pose=np.asarray(axis_angle[:, 1:].reshape(num_poses, -1)),
        betas=np.asarray(jax.random.normal(betas_key, (num_poses, _NUM_BETAS))),
    )


def _components(prior: PosePrior, axis_angle: np.ndarray) -> np.ndarray:
    """Returns the numbers [N] of the Gaussians to which poses [N, 24, 3] belong."""
    body = axis_angle[:, 1:].reshape(len(axis_angle), NUM_BODY)
    components = []
    for start in range(0, len(body), _POSES_PER_BATCH):
        rows = body[start : start + _POSES_PER_BATCH]
        # The last batch repeats its rows, so that all batches share one compilation.
        full = np.resize(rows, (_POSES_PER_BATCH, NUM_BODY))
        components.append(np.asarray(_best_component(prior, full))[: len(rows)])
    return np.concatenate(components)


@jax.jit
def _best_component(
    prior: PosePrior, body_axis_angle: Float[Array, "N 69"]
) -> Int[Array, " N"]:
    return jnp.argmax(component_log_probs(prior, body_axis_angle), axis=-1)
