"""Combines encoder, conditional flow over poses, and head to ProHMR (Fig. 3).

`ProHMR` is the form for training. `prepare` turns its weights into the form for
inference and fitting: encoder and head as they are, and the folded flow.
"""

from collections.abc import Mapping
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax import skeleton
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.readout import Readout
from prohmr_jax.structs import Hypotheses, SmplParams, WeakCamera

NUM_ROTATIONS = len(skeleton.SMPL_24)
POSE_FEATURES = 6 * NUM_ROTATIONS


class BodyNetwork(nn.Module):
    """Predicts bodies from inputs: what `ProHMR` and `PoseRegressor` have in common."""

    encoder: nn.Module
    """Network from images or keypoints to the context."""
    head: ShapeCameraHead
    """Network from the context to shape and camera."""
    readout = None

    def encode(self, inputs: Any, train: bool = False) -> Float[Array, "B C"]:
        """Returns the contexts of images or keypoints.

        Args:
          inputs: what the encoder takes.
          train: normalises by batch statistics and drops units.
        """
        return self.encoder(inputs, train)

    def shape_and_camera(
        self, context: Float[Array, "B C"]
    ) -> tuple[Float[Array, "B S"], WeakCamera]:
        """Returns the shape coefficients and the camera of the crop."""
        return self.head(context)

    def __call__(self, inputs: Any, z: Float[Array, "B K 144"]) -> Hypotheses:
        """Returns hypotheses of inputs; touches every weight, for initialisation."""
        return self.hypotheses(self.encode(inputs), z)


class ProHMR(BodyNetwork):
    """Predicts a distribution of bodies, given what the encoder takes."""

    flow: ConditionalGlow
    """Flow between poses (6D) and latents."""
    readout: Readout | None = None
    """Linear readout that helps to train an encoder from scratch; None as in the
    paper."""

    def __call__(self, inputs: Any, z: Float[Array, "B K 144"]) -> Hypotheses:
        """Returns hypotheses of inputs; touches every weight, for initialisation."""
        context = self.encode(inputs)
        if self.readout is not None:
            self.readout(context)
        return self.hypotheses(context, z)

    def hypotheses(
        self,
        context: Float[Array, "B C"],
        z: Float[Array, "B K 144"],
        train: bool = False,
    ) -> Hypotheses:
        """Returns the bodies of latents.

        If training normalises by batch statistics, the samples pass through the flow
        first and the modes after them, each normalised by their own rows, as in the
        official code.

        Args:
          context: contexts of the images.
          z: latents; the first of each image is 0, for the mode.
          train: normalises by batch statistics and drops units.
        """
        apart = train and self.flow.use_batch_norm and z.shape[1] > 1
        passes = [z[:, 1:], z[:, :1]] if apart else [z]
        samples = [self.flow.sample(part, context[:, None], train) for part in passes]
        flat, log_prob = (
            jnp.concatenate(parts[::-1], axis=1) for parts in zip(*samples, strict=True)
        )
        betas, camera = self.shape_and_camera(context)
        return assemble_hypotheses(z, flat, log_prob, betas, camera)

    def log_prob(
        self,
        context: Float[Array, "B C"],
        pose_6d: Float[Array, "B 24 6"],
        train: bool = False,
        weights: Float[Array, " B"] | None = None,
    ) -> Float[Array, " B"]:
        """Returns ln p(pose | context) (Eq. 2), nats.

        Args:
          context: contexts of the images.
          pose_6d: first and second column of each rotation matrix, root first.
          train: normalises by batch statistics and drops units.
          weights: 1 for rows that count in the batch statistics, 0 for the others; None
            if all of them count.
        """
        flat = pose_6d.reshape(*pose_6d.shape[:-2], POSE_FEATURES)
        return self.flow.log_prob(flat, context, train, weights)[0]


def assemble_hypotheses(
    z: Float[Array, "*b K 144"],
    flat_pose_6d: Float[Array, "*b K 144"],
    log_prob: Float[Array, "*b K"],
    betas: Float[Array, "*b S"],
    camera: WeakCamera,
) -> Hypotheses:
    """Returns the output of the flow as bodies, which share the image's shape.

    Args:
      z: latents.
      flat_pose_6d: rotations in 6D, root first.
      log_prob: log-density of these poses, nats.
      betas: shape coefficients of each image.
      camera: camera of each crop.
    """
    pose_6d = flat_pose_6d.reshape(*flat_pose_6d.shape[:-1], NUM_ROTATIONS, 6)
    rotmats = pose_6d_to_rotmat(pose_6d)
    betas = jnp.broadcast_to(betas[..., None, :], (*z.shape[:-1], betas.shape[-1]))
    smpl = SmplParams.from_rotmats(rotmats, betas)
    return Hypotheses(z=z, pose_6d=pose_6d, log_prob=log_prob, smpl=smpl, camera=camera)


@struct.dataclass
class PreparedProHMR:
    """Holds a trained model that is ready for inference; a pytree."""

    module: BodyNetwork = struct.field(pytree_node=False)
    """A `ProHMR`, or a `PoseRegressor`."""
    variables: Mapping
    """Variables of encoder and head."""
    flow: prepared_flow.PreparedFlow | None
    """The folded flow; None for a `PoseRegressor`, which has no flow."""


def prepare(model: BodyNetwork, variables: Mapping) -> PreparedProHMR:
    """Returns a trained model in the form for inference.

    Args:
      model: a `ProHMR`, or a `PoseRegressor`.
      variables: its trained variables.
    """
    flow_variables = {
        name: tree["flow"] for name, tree in variables.items() if "flow" in tree
    }
    rest = {
        name: {part: leaves for part, leaves in tree.items() if part != "flow"}
        for name, tree in variables.items()
    }
    flow = None
    if flow_variables:
        flow = prepare_flow(model.flow, flow_variables)
    variables = jax.tree.map(jnp.asarray, rest)
    return PreparedProHMR(module=model, variables=variables, flow=flow)


def encode(model: PreparedProHMR, inputs: Any) -> Float[Array, "B C"]:
    """Returns the contexts of images or keypoints, in evaluation mode.

    Args:
      model: the trained model.
      inputs: normalised crops or keypoints, as the encoder takes them.
    """
    return model.module.apply(model.variables, inputs, method="encode")


def decode(
    model: PreparedProHMR,
    context: Float[Array, "B C"],
    z: Float[Array, "B K 144"],
) -> Hypotheses:
    """Returns the bodies of latents; each context is projected once per image.

    Args:
      model: the trained model.
      context: contexts of the images.
      z: latents; `latents` draws them.
    """
    if model.flow is None:
        return model.module.apply(model.variables, context, z, method="hypotheses")
    projected = prepared_flow.project_context(model.flow, context[:, None])
    flat, log_prob = prepared_flow.sample(model.flow, z, projected)
    betas, camera = model.module.apply(
        model.variables, context, method="shape_and_camera"
    )
    return assemble_hypotheses(z, flat, log_prob, betas, camera)


def latents(
    key: jax.Array, batch: tuple[int, ...], num_hypotheses: int, scale: float = 1.0
) -> Float[Array, "*b K 144"]:
    """Returns latents: first z = 0, for the mode, then samples from N(0, scale^2 I).

    Args:
      key: random key.
      batch: leading axes of the result.
      num_hypotheses: number K of latents, including the mode.
      scale: standard deviation of the samples; 1 for the distribution itself.
    """
    drawn = jax.random.normal(key, (*batch, num_hypotheses - 1, POSE_FEATURES))
    mode = jnp.zeros((*batch, 1, POSE_FEATURES))
    return jnp.concatenate([mode, scale * drawn], axis=-2)
