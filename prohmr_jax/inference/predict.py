"""Predicts the bodies of people with a trained model and a body model.

The demo, bulk fitting and every evaluation call `predict`.
"""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_body, pose_joints, shape_body
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.models import image_input
from prohmr_jax.models.prohmr import PreparedProHMR, decode, encode, latents
from prohmr_jax.structs import Body, Box, Crop, Hypotheses, Keypoints2D


@struct.dataclass
class Prediction:
    """Holds what the model predicts of B people: K hypotheses each, the mode first."""

    hypotheses: Hypotheses
    """Poses, shapes and cameras, leading axes [B, K]."""
    body: Body
    """Joints, metres, camera axes, leading axes [B, K]; vertices only on demand."""
    joints_2d: Float[Array, "B K 44 2"]
    """Projected joints (JOINTS_44), crop frame."""
    box: Box
    """Box of the crop, leading axis [B], in the frame of the encoder's input."""
    context: Float[Array, "B C"]
    """Context vectors that condition the flow; fits under the flow need them."""


def prepare_input(
    encoder_input: Keypoints2D | Crop,
) -> tuple[Keypoints2D | Float[Array, "B H W 3"], Box]:
    """Returns what an encoder takes, and the box of the crop; see `predict`."""
    if isinstance(encoder_input, Crop):
        return image_input.normalize(encoder_input.image), encoder_input.box
    return in_box(encoder_input)


def predict(
    model: PreparedProHMR,
    body: BodyModel,
    encoder_input: Keypoints2D | Crop,
    key: jax.Array,
    num_hypotheses: int,
    with_vertices: bool = False,
) -> Prediction:
    """Returns the mode and samples of the distribution of bodies of each person.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      encoder_input: what the encoder sees, leading axis B. Keypoints are BODY_25
        `[B, 25]` in any frame (pixels, for instance); their box surrounds the joints
        whose confidence exceeds `MIN_CONFIDENCE`. Crops bring their own box.
      key: random key of the samples: one per person `[B]`, or one of which person b
        gets `fold_in(key, b)`.
      num_hypotheses: number K of hypotheses, the mode included.
      with_vertices: also computes the vertices of the bodies.
    """
    inputs, box = prepare_input(encoder_input)
    keys = key
    if not key.ndim:
        people = jnp.arange(box.size.shape[0])
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, people)
    z = jax.vmap(lambda k: latents(k, (), num_hypotheses))(keys)
    context = encode(model, inputs)
    hypotheses = decode(model, context, z)
    smpl = hypotheses.smpl
    # All hypotheses of a person have one shape: it is computed once and posed K times.
    shaped = shape_body(body, smpl.betas[:, :1], with_vertices=with_vertices)
    pose = pose_body if with_vertices else pose_joints
    posed = pose(shaped, smpl.global_orient, smpl.body_pose)
    camera = jax.tree.map(lambda a: a[:, None], cameras.crop_camera(hypotheses.camera))
    return Prediction(
        hypotheses=hypotheses,
        body=posed,
        joints_2d=cameras.project(posed.joints, camera),
        box=box,
        context=context,
    )
