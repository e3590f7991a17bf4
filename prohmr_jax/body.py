"""Shapes and poses the body model SMPL (Loper et al., 2015) by pure functions.

A body is shaped once and can then be posed many times:

  shaped = shape_body(model, betas)
  pose_joints(shaped, global_orient, body_pose)    returns joints, without a mesh
  pose_body(shaped, global_orient, body_pose)      returns joints and vertices

Inside the model the vertex axis is the last one (`[3, V]`), so that every step is a
matrix product over contiguous vertices. Points that functions return are `[..., 3]`.

Joints are computed without the mesh: `LANDMARKS_21` and `EXTRA_19` are linear in a few
hundred posed vertices, which `BodyModel.landmarks` holds as a surface of its own.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax import skeleton
from prohmr_jax.geometry.forward_kinematics import forward_kinematics
from prohmr_jax.geometry.rotations import rotate
from prohmr_jax.geometry.skinning import (
    ShapedSurface,
    Surface,
    shape_surface,
    skin,
)
from prohmr_jax.structs import Body, SmplParams

# Bodies are compared in millimetres, which the default precision of accelerators blurs.
_HIGHEST = jax.lax.Precision.HIGHEST


@struct.dataclass
class BodyModel:
    """Holds a body model in SMPL's layout."""

    joints_template: Float[Array, "24 3"]
    """Rest positions of the kinematic joints of the mean shape, metres, body frame."""
    joints_shape_directions: Float[Array, "S 24 3"]
    """Displacements of these joints per unit of each shape coefficient, metres."""
    surface: Surface
    """The vertices of the mesh."""
    landmarks: Surface
    """The L vertices on which landmark and extra joints depend."""
    landmark_regressor: Float[Array, "40 L"]
    """Weights that give LANDMARKS_21, then EXTRA_19, from the vertices of
    `landmarks`."""
    faces: Int[Array, "F 3"]
    """Vertex numbers of the triangles."""

    @property
    def num_betas(self) -> int:
        """Returns the number of shape coefficients."""
        return self.joints_shape_directions.shape[0]

    @property
    def num_vertices(self) -> int:
        """Returns the number of vertices of the mesh."""
        return self.surface.template.shape[-1]


@struct.dataclass
class ShapedBody:
    """Holds a person of fixed shape, ready to be posed any number of times."""

    joints: Float[Array, "*b 24 3"]
    """Rest positions of the kinematic joints, metres, body frame."""
    landmarks: ShapedSurface
    """The vertices on which landmark and extra joints depend."""
    landmark_regressor: Float[Array, "40 L"]
    """See `BodyModel`."""
    surface: ShapedSurface | None
    """The vertices of the mesh; None where the body was shaped for joints only."""


def make_body_model(
    *,
    v_template: np.ndarray,
    shapedirs: np.ndarray,
    posedirs: np.ndarray,
    weights: np.ndarray,
    joint_regressor: np.ndarray,
    faces: np.ndarray,
    landmark_vertices: np.ndarray,
    extra_regressor: np.ndarray,
) -> BodyModel:
    """Returns the body model that arrays in the layout of SMPL's files describe.

    Args:
      v_template: rest vertices of the mean shape, [V, 3], metres.
      shapedirs: displacements per shape coefficient, [V, 3, S], metres.
      posedirs: displacements per entry of the rotations, [V, 3, 207], metres.
      weights: skinning weights, [V, 24], whose rows sum to 1.
      joint_regressor: [24, V], whose rows sum to 1.
      faces: vertex numbers of the triangles, [F, 3].
      landmark_vertices: vertex numbers in the order of LANDMARKS_21, [21].
      extra_regressor: [19, V], in the order of EXTRA_19.
    """
    # Joints are linear in the shape, so they are regressed once, here, in float64.
    regressor = joint_regressor.astype(np.float64)
    joints_template = regressor @ v_template
    joints_shape_directions = np.einsum("jv,vcs->sjc", regressor, shapedirs)
    support, landmark_regressor = _landmark_support(landmark_vertices, extra_regressor)

    def surface_of(vertices: np.ndarray | slice) -> Surface:
        planar = (
            v_template[vertices].T,
            shapedirs[vertices].transpose(2, 1, 0),
            posedirs[vertices].transpose(2, 1, 0),
            weights[vertices].T,
        )
        return Surface(*(np.ascontiguousarray(a, np.float32) for a in planar))

    return BodyModel(
        joints_template=joints_template.astype(np.float32),
        joints_shape_directions=joints_shape_directions.astype(np.float32),
        surface=surface_of(slice(None)),
        landmarks=surface_of(support),
        landmark_regressor=landmark_regressor.astype(np.float32),
        faces=np.asarray(faces, np.int32),
    )


def _landmark_support(
    landmark_vertices: np.ndarray, extra_regressor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the vertices that landmark and extra joints need, and their regressor."""
    picked = np.zeros((len(landmark_vertices), extra_regressor.shape[1]))
    picked[np.arange(len(landmark_vertices)), landmark_vertices] = 1.0
    dense = np.concatenate([picked, extra_regressor])
    support = np.flatnonzero(np.any(dense != 0, axis=0))
    return support, dense[:, support]


def vertex_subset(model: BodyModel, vertices: Sequence[int]) -> BodyModel:
    """Returns the same body model with only some vertices in its mesh.

    The joints stay the same, because they do not depend on the mesh. The new model has
    no faces.

    Args:
      model: the body model.
      vertices: numbers of the vertices to keep, in the order of the new mesh.
    """
    chosen = np.asarray(vertices)
    return model.replace(
        surface=jax.tree.map(lambda a: a[..., chosen], model.surface),
        faces=np.zeros((0, 3), np.int32),
    )


def shape_body(
    model: BodyModel, betas: Float[Array, "*b S"], with_vertices: bool = True
) -> ShapedBody:
    """Returns a person of given shape, ready to be posed.

    Args:
      model: the body model.
      betas: shape coefficients.
      with_vertices: False leaves out the mesh where only joints are needed.
    """
    joints = model.joints_template + jnp.einsum(
        "...s,sjc->...jc", betas, model.joints_shape_directions, precision=_HIGHEST
    )
    return ShapedBody(
        joints=joints,
        landmarks=shape_surface(model.landmarks, betas),
        landmark_regressor=model.landmark_regressor,
        surface=shape_surface(model.surface, betas) if with_vertices else None,
    )


def pose_joints(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
) -> Body:
    """Returns the joints of a posed body without computing its mesh.

    Args:
      shaped: the person; leading axes broadcast against those of the pose.
      global_orient: rotation of the whole body about its rest pelvis.
      body_pose: rotations relative to the parents.

    Returns:
      A body without vertices, metres, in the frame that `global_orient` turns it to.
    """
    return _pose(shaped, global_orient, body_pose, with_vertices=False)


def pose_body(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
) -> Body:
    """Returns the joints and the vertices of a posed body.

    Args:
      shaped: the person; leading axes broadcast against those of the pose.
      global_orient: rotation of the whole body about its rest pelvis.
      body_pose: rotations relative to the parents.

    Returns:
      A body with vertices, metres, in the frame that `global_orient` turns it to.

    Raises:
      ValueError: the body was shaped without vertices.
    """
    if shaped.surface is None:
        raise ValueError(
            "the body was shaped without vertices; shape_body needs with_vertices=True"
        )
    return _pose(shaped, global_orient, body_pose, with_vertices=True)


def body_joints(model: BodyModel, params: SmplParams) -> Body:
    """Returns the joints of a body, metres, without computing its mesh."""
    shaped = shape_body(model, params.betas, with_vertices=False)
    return pose_joints(shaped, params.global_orient, params.body_pose)


def body_mesh(model: BodyModel, params: SmplParams) -> Body:
    """Returns the joints and the vertices of a body, metres."""
    shaped = shape_body(model, params.betas)
    return pose_body(shaped, params.global_orient, params.body_pose)


def _pose(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
    with_vertices: bool,
) -> Body:
    """Returns the posed joints, and the posed vertices where they are asked for."""
    rotmats = jnp.concatenate([global_orient[..., None, :, :], body_pose], axis=-3)
    rotations, positions = forward_kinematics(shaped.joints, rotmats)
    # A bone moves a rest vertex x to R (x - rest joint) + joint = R x + shift.
    shifts = positions - rotate(rotations, shaped.joints)
    bones = jnp.concatenate([rotations, shifts[..., None]], axis=-1)
    features = body_pose - jnp.eye(3, dtype=body_pose.dtype)
    features = features.reshape(*features.shape[:-3], -1)

    support = jnp.stack(skin(shaped.landmarks, bones, features), axis=-2)
    landmarks = jnp.einsum(
        "lv,...cv->...lc", shaped.landmark_regressor, support, precision=_HIGHEST
    )
    num_landmarks = len(skeleton.LANDMARKS_21)
    named = jnp.concatenate([positions, landmarks[..., :num_landmarks, :]], axis=-2)
    body_25 = named[..., skeleton.BODY_25_SOURCE, :]
    extra_19 = landmarks[..., num_landmarks:, :]
    vertices = None
    if with_vertices:
        vertices = jnp.stack(skin(shaped.surface, bones, features), axis=-1)
    return Body(
        joints=jnp.concatenate([body_25, extra_19], axis=-2),
        kinematic_joints=positions,
        vertices=vertices,
    )
