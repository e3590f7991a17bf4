"""From detections to bodies: the one place that joins a trained model and a body."""

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, pose_body, pose_joints, shape_body
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.models import image_input as pixels
from prohmr_jax.models.prohmr import PreparedProHMR, decode, encode, latents
from prohmr_jax.structs import Body, Box, Crop, Hypotheses, Keypoints2D


@struct.dataclass
class Prediction:
    """What the model says of B people, K hypotheses each, the mode first."""

    hypotheses: Hypotheses
    body: Body
    """Leading axes [B, K]; camera axes, metres; without vertices unless asked for."""
    joints_2d: Float[Array, "B K 44 2"]
    """Projections, crop units."""
    box: Box
    """Where the crop lies, in the frame of the detections."""
    context: Float[Array, "B C"]
    """What the flow is conditioned on; fits start from it."""


def predict(
    model: PreparedProHMR,
    body: BodyModel,
    seen: Keypoints2D | Crop,
    key: jax.Array,
    num_hypotheses: int,
    with_vertices: bool = False,
) -> Prediction:
    """Returns the mode and draws from the distribution of people.

    Args:
      model: prepared weights.
      body: the body that the weights were trained on.
      seen: what the model's encoder looks at, leading axis B: BODY_25 `[B, 25]` in any
        frame (pixels, for instance), whose box comes from the joints whose confidence
        counts; or crops.
      key: of the draws; person b gets `fold_in(key, b)`.
      num_hypotheses: K, the mode included.
      with_vertices: also computes the meshes.
    """
    if isinstance(seen, Crop):
        inputs, box = pixels.normalize(seen.image), seen.box
    else:
        inputs, box = in_box(seen)
    people = jnp.arange(box.size.shape[0])
    keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, people)
    z = jax.vmap(lambda k: latents(k, (), num_hypotheses))(keys)
    context = encode(model, inputs)
    hypotheses = decode(model, context, z)
    smpl = hypotheses.smpl
    # One shape per person: blended once, posed K times.
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
