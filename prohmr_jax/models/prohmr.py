"""ProHMR: an encoder, the conditional flow over poses, and the head (Fig. 3).

`ProHMR` is what trains. `prepare` makes of its weights what infers: the encoder and
head as they are, the flow folded.
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
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.readout import Readout
from prohmr_jax.structs import Hypotheses, SmplParams, WeakCamera

NUM_ROTATIONS = len(skeleton.SMPL_24)
POSE_FEATURES = 6 * NUM_ROTATIONS


class BodyNetwork(nn.Module):
    """An encoder, and the head that reads shape and camera off its context."""

    encoder: nn.Module
    head: ShapeCameraHead
    readout = None

    def encode(self, inputs: Any, train: bool = False) -> Float[Array, "B C"]:
        """Returns the context of images or keypoints."""
        return self.encoder(inputs, train)

    def shape_and_camera(
        self, context: Float[Array, "B C"]
    ) -> tuple[Float[Array, "B S"], WeakCamera]:
        """Returns betas and the crop's camera."""
        return self.head(context)

    def __call__(self, inputs: Any, z: Float[Array, "B K 144"]) -> Hypotheses:
        """Returns hypotheses of inputs; touches every weight, for initialisation."""
        return self.hypotheses(self.encode(inputs), z)


class ProHMR(BodyNetwork):
    """The trainable model; the encoder decides what it is conditioned on."""

    flow: ConditionalGlow
    readout: Readout | None = None
    """Teaches an encoder from scratch; None: the paper's."""

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
        """Returns the bodies of given latents; give z = 0 first, for the mode.

        Where training normalises by the batch, the draws pass through the flow first,
        then the mode, each normalised by its own rows (the official way).
        """
        apart = train and self.flow.use_batch_norm and z.shape[1] > 1
        passes = [z[:, 1:], z[:, :1]] if apart else [z]
        found = [self.flow.sample(part, context[:, None], train) for part in passes]
        flat, log_prob = (
            jnp.concatenate(parts[::-1], axis=1) for parts in zip(*found, strict=True)
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
        """Returns ln p(pose | context) (Eq. 2)."""
        flat = pose_6d.reshape(*pose_6d.shape[:-2], POSE_FEATURES)
        return self.flow.log_prob(flat, context, train, weights)[0]


def assemble_hypotheses(
    z: Float[Array, "*b K 144"],
    flat_pose_6d: Float[Array, "*b K 144"],
    log_prob: Float[Array, "*b K"],
    betas: Float[Array, "*b S"],
    camera: WeakCamera,
) -> Hypotheses:
    """Returns flow output as bodies; the image's betas are given to each of them."""
    pose_6d = flat_pose_6d.reshape(*flat_pose_6d.shape[:-1], NUM_ROTATIONS, 6)
    rotmats = pose_6d_to_rotmat(pose_6d)
    betas = jnp.broadcast_to(betas[..., None, :], (*z.shape[:-1], betas.shape[-1]))
    smpl = SmplParams.from_rotmats(rotmats, betas)
    return Hypotheses(z=z, pose_6d=pose_6d, log_prob=log_prob, smpl=smpl, camera=camera)


@struct.dataclass
class PreparedProHMR:
    """A trained model ready for inference; a pytree, so that jit takes it as input."""

    module: ProHMR = struct.field(pytree_node=False)
    variables: Mapping
    """Of encoder and head; the flow's are in `flow`."""
    flow: prepared_flow.PreparedFlow | None
    """None: a `PoseRegressor`, which has none."""


def prepare(model: ProHMR, variables: Mapping) -> PreparedProHMR:
    """Returns the inference form of trained variables, of a `PoseRegressor` too."""
    of_flow = {name: tree["flow"] for name, tree in variables.items() if "flow" in tree}
    rest = {
        name: {part: leaves for part, leaves in tree.items() if part != "flow"}
        for name, tree in variables.items()
    }
    flow = prepared_flow.prepare_flow(model.flow, of_flow) if of_flow else None
    variables = jax.tree.map(jnp.asarray, rest)
    return PreparedProHMR(module=model, variables=variables, flow=flow)


def encode(model: PreparedProHMR, inputs: Any) -> Float[Array, "B C"]:
    """Returns the context of images or keypoints, in evaluation mode."""
    return model.module.apply(model.variables, inputs, method="encode")


def decode(
    model: PreparedProHMR,
    context: Float[Array, "B C"],
    z: Float[Array, "B K 144"],
) -> Hypotheses:
    """Returns the bodies of latents; the context is projected once per image."""
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
    """Returns latents with the mode, z = 0, first, then draws from N(0, scale^2 I)."""
    drawn = jax.random.normal(key, (*batch, num_hypotheses - 1, POSE_FEATURES))
    mode = jnp.zeros((*batch, 1, POSE_FEATURES))
    return jnp.concatenate([mode, scale * drawn], axis=-2)
