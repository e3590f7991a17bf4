"""Poses of rendered people, and which of them are for tests alone.

Every sixteenth Gaussian of the pose prior is held out, and with each the one that holds
its mirror image, so that nothing changes when pictures are mirrored in training. The
poses of training come from the other Gaussians, or from a bank without those poses that
a held-out Gaussian explains best.
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
from prohmr_jax.poses.bank import read_pose_bank
from prohmr_jax.priors.gaussian_mixture import (
    NUM_BODY,
    PosePrior,
    component_log_probs,
    load_pose_prior,
    sample_axis_angle,
    sample_in_component,
)
from prohmr_jax.synthetic.keypoint_pairs import mirror_pose

_HOLD_OUT_FIRST, _HOLD_OUT_EVERY = 7, 16
_POSES_PER_BATCH = 1024
_NUM_BETAS = 10


class Split(enum.Enum):
    """What a rendered person is for."""

    TRAIN = "train"
    TEST = "test"


@dataclasses.dataclass(frozen=True)
class PoseSource:
    """Where poses are drawn from."""

    prior: PosePrior
    """The whole mixture."""
    held_out: np.ndarray
    """Numbers of its Gaussians that are for tests alone."""
    bank: Float[Array, "N 24 3"] | None = None
    """Axis-angles to train on in place of the other Gaussians, radians."""
    bank_component: Int[Array, " N"] | None = None
    """The Gaussian that explains each of them best."""

    @property
    def kept(self) -> np.ndarray:
        """Numbers of the Gaussians that training may see."""
        return np.delete(np.arange(len(self.prior.weights_log)), self.held_out)

    def draw(
        self, split: Split, keys: jax.Array, numbers: np.ndarray
    ) -> tuple[Float[Array, "P 24 3"], Int[Array, " P"]]:
        """Returns poses with the numbers of their Gaussians; root in a Y-up world.

        Args:
          split: people of the test take the held-out Gaussians in turn.
          keys: [P], one per person; a pose depends on its own and its number alone.
          numbers: [P], of the people in their split.
        """
        pick_keys, noise_keys = (
            jax.vmap(lambda key, child=child: jax.random.fold_in(key, child))(keys)
            for child in (0, 1)
        )
        if split is Split.TEST:
            component = self.held_out[numbers % len(self.held_out)]
        elif self.bank is None:
            weights = self.prior.weights_log[self.kept]
            pick = lambda key: jax.random.categorical(key, weights)  # noqa: E731
            component = self.kept[jax.vmap(pick)(pick_keys)]
        else:
            pick = lambda key: jax.random.randint(key, (), 0, len(self.bank))  # noqa: E731
            row = np.asarray(jax.vmap(pick)(pick_keys))
            return jnp.asarray(self.bank[row]), jnp.asarray(self.bank_component[row])
        draw = jax.vmap(sample_in_component, in_axes=(None, 0, 0))
        return draw(self.prior, noise_keys, component), jnp.asarray(component)


def read_poses(
    prior: str | os.PathLike = "", bank: str | os.PathLike = ""
) -> PoseSource:
    """Returns where poses come from.

    Args:
      prior: file of a mixture; empty: the one that ships.
      bank: file of poses to train on (`tools/make_pose_bank.py`); empty: none.

    Raises:
      InputError: a file cannot be used, or nothing is left of it for training.
    """
    mixture = load_pose_prior(prior or None)
    held_out = held_out_components(mixture)
    if not 0 < len(held_out) < len(mixture.weights_log):
        count = len(mixture.weights_log)
        raise InputError(prior, f"has {count} Gaussians, too few to hold some out")
    if not bank:
        return PoseSource(mixture, held_out)
    poses = read_pose_bank(bank).axis_angle
    component = _components(mixture, poses)
    kept = ~np.isin(component, held_out)
    if not kept.any():
        raise InputError(bank, "holds no pose but those held out for tests")
    return PoseSource(mixture, held_out, poses[kept], component[kept])


def held_out_components(prior: PosePrior) -> np.ndarray:
    """Returns the numbers of the Gaussians held out for tests, with their mirrors."""
    means = np.asarray(prior.means[:, :NUM_BODY]).reshape(len(prior.means), -1, 3)
    whole = np.concatenate([np.zeros_like(means[:, :1]), means], axis=1)
    twin = _components(prior, np.asarray(mirror_pose(whole)))
    found: set[int] = set()
    following = set(range(_HOLD_OUT_FIRST, len(twin), _HOLD_OUT_EVERY))
    while following:
        found |= following
        following = {int(twin[number]) for number in following} - found
    return np.array(sorted(found), int)


def training_mocap(
    poses: PoseSource, key: jax.Array, num_poses: int = 50_000
) -> MocapArrays:
    """Returns poses and shapes for the discriminator, without those held out.

    Args:
      poses: where they come from; the mixture is used, not the bank.
      key: of all that is drawn.
      num_poses: how many.
    """
    pose_key, betas_key = jax.random.split(key)
    kept = jax.tree.map(lambda a: a[poses.kept], poses.prior)
    axis_angle = sample_axis_angle(kept, pose_key, (num_poses,))
    return MocapArrays(
        body_pose=np.asarray(axis_angle[:, 1:].reshape(num_poses, -1)),
        betas=np.asarray(jax.random.normal(betas_key, (num_poses, _NUM_BETAS))),
    )


def _components(prior: PosePrior, axis_angle: np.ndarray) -> np.ndarray:
    """Returns [N], which Gaussian explains each body pose [N, 24, 3] best."""
    body = axis_angle[:, 1:].reshape(len(axis_angle), NUM_BODY)
    found = []
    for start in range(0, len(body), _POSES_PER_BATCH):
        rows = body[start : start + _POSES_PER_BATCH]
        # Filled up by repetition: one size, compiled once.
        full = np.resize(rows, (_POSES_PER_BATCH, NUM_BODY))
        found.append(np.asarray(_best_component(prior, full))[: len(rows)])
    return np.concatenate(found)


@jax.jit
def _best_component(
    prior: PosePrior, body_axis_angle: Float[Array, "N 69"]
) -> Int[Array, " N"]:
    return jnp.argmax(component_log_probs(prior, body_axis_angle), axis=-1)
