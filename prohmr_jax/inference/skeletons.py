"""Lifts 2D skeletons of users to 3D with trained weights; their programs call it."""

import os

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.errors import InputError
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.models.lifter_spec import POINT, LifterSpec, build_lifter
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.weight_files import load_weights


@struct.dataclass
class LiftedSkeletons:
    """Holds 3D skeletons of 2D skeletons.

    Joints are those of H36M_17 without the pelvis, relative to it: metres, camera axes.
    """

    answer: Float[Array, "*b 16 3"]
    """The mode of the distribution, or the only answer."""
    samples: Float[Array, "*b N 16 3"]
    """Samples of the distribution."""


class SkeletonReconstruction:
    """Lifts skeletons with the weights of `modes.train_lifter`."""

    def __init__(self, path: str | os.PathLike):
        """Loads weights.

        Args:
          path: weights file, weights directory or training directory of a lifter.

        Raises:
          InputError: the weights cannot be used.
        """
        self._path = path
        self._spec, variables = load_weights(path, LifterSpec)
        self._variables = jax.tree.map(jnp.asarray, variables)
        model = build_lifter(self._spec)

        def lift(variables, xy, key, count: int) -> LiftedSkeletons:
            keypoints, _ = in_box(Keypoints2D(xy, jnp.ones(xy.shape[:-1])))
            context = model.apply(variables, keypoints, method="encode")
            zero = jnp.zeros((*context.shape[:-1], 1, model.latent_features))
            mode = model.apply(variables, context, zero, method="hypotheses").joints
            if count:
                drawn = model.apply(variables, context, key, count, method="draw")
            else:
                drawn = mode[..., :0, :, :]
            return LiftedSkeletons(answer=mode[..., 0, :, :], samples=drawn)

        self._lift = jax.jit(lift, static_argnames="count")

    def lift(
        self, xy: Float[np.ndarray, "*b 17 2"], num_samples: int = 0, seed: int = 0
    ) -> LiftedSkeletons:
        """Returns the 3D skeletons of 2D skeletons.

        Each person is shown to the model in the box around the joints, as in the
        training; every joint has to be there.

        Args:
          xy: joints of `skeleton.H36M_17`, pixels, with leading axes of people.
          num_samples: number N of samples of each person.
          seed: seed of the samples.

        Raises:
          InputError: the joints have another shape or are not finite, or samples are
            asked of a model that gives one answer.
        """
        xy = np.asarray(xy, np.float32)
        joints = self._spec.input_joints
        if xy.shape[-2:] != (joints, 2):
            raise InputError("xy", f"has the shape {xy.shape}, not [..., {joints}, 2]")
        if not np.all(np.isfinite(xy)):
            raise InputError("xy", "holds positions that are not finite")
        if num_samples and self._spec.head == POINT:
            raise InputError(self._path, "gives one answer, from which none is drawn")
        return self._lift(self._variables, xy, jax.random.key(seed), num_samples)
