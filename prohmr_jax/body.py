"""SMPL (Loper et al., 2015) as pure functions: shape once, pose many times, skin.

The vertex axis comes last inside the model (`[3, V]`, not `[V, 3]`), so that every
step is a matrix product over contiguous vertices. What a caller receives has xyz
last.

Joints alone need no mesh: `LANDMARKS_21` and `EXTRA_19` are linear in a few hundred
posed vertices, which `BodyModel.landmarks` holds as a surface of its own.

  shaped = shape_body(model, betas)
  pose_joints(shaped, global_orient, body_pose)    joints, no mesh
  pose_body(shaped, global_orient, body_pose)      joints and vertices
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax import skeleton
from prohmr_jax.structs import Body, SmplParams

# The highest-precision matmuls of the accelerator: bodies are measured in mm.
_PRECISION = jax.lax.Precision.HIGHEST


@struct.dataclass
class Surface:
    """Vertices with all that shapes, poses and skins them; V may be any subset."""

    template: Float[Array, "3 V"]
    """Rest positions of the mean shape, metres."""
    shape_directions: Float[Array, "S 3 V"]
    pose_directions: Float[Array, "207 3 V"]
    """Correctives per entry of the 23 rotation matrices minus identity."""
    skinning_weights: Float[Array, "24 V"]


@struct.dataclass
class BodyModel:
    """A body in SMPL's layout."""

    joints_template: Float[Array, "24 3"]
    joints_shape_directions: Float[Array, "S 24 3"]
    surface: Surface
    landmarks: Surface
    """The vertices on which landmark and extra joints depend."""
    landmark_regressor: Float[Array, "40 L"]
    """LANDMARKS_21, then EXTRA_19, from the vertices of `landmarks`."""
    faces: Int[Array, "F 3"]

    @property
    def num_betas(self) -> int:
        """Number of shape coefficients."""
        return self.joints_shape_directions.shape[0]

    @property
    def num_vertices(self) -> int:
        """Number of vertices of the mesh."""
        return self.surface.template.shape[-1]


@struct.dataclass
class ShapedSurface:
    """A surface with its shape blended in, ready to be posed."""

    rest: Float[Array, "*b 3 V"]
    pose_directions: Float[Array, "207 3 V"]
    skinning_weights: Float[Array, "24 V"]


@struct.dataclass
class ShapedBody:
    """A person of fixed shape: pose it as often as needed."""

    joints: Float[Array, "*b 24 3"]
    """Rest positions of the kinematic joints."""
    landmarks: ShapedSurface
    landmark_regressor: Float[Array, "40 L"]
    surface: ShapedSurface | None
    """None where it was shaped for joints only."""


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
    """Returns the model of arrays in SMPL's layout and key names.

    Args:
      v_template: [V, 3], metres.
      shapedirs: [V, 3, S].
      posedirs: [V, 3, 207].
      weights: [V, 24], rows sum to one.
      joint_regressor: [24, V], rows sum to one.
      faces: [F, 3].
      landmark_vertices: [21] vertex numbers in the order of LANDMARKS_21.
      extra_regressor: [19, V] in the order of EXTRA_19.
    """
    # Joints are linear in shape: regressed once here, in float64, not per body.
    regressor = joint_regressor.astype(np.float64)
    joints_template = regressor @ v_template
    joints_shape_directions = np.einsum("jv,vcs->sjc", regressor, shapedirs)
    support, landmark_regressor = _landmark_support(landmark_vertices, extra_regressor)

    def surface(vertices: np.ndarray | slice) -> Surface:
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
        surface=surface(slice(None)),
        landmarks=surface(support),
        landmark_regressor=landmark_regressor.astype(np.float32),
        faces=np.asarray(faces, np.int32),
    )


def _landmark_support(
    landmark_vertices: np.ndarray, extra_regressor: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices that landmark and extra joints read, and their regressor on these."""
    picked = np.zeros((len(landmark_vertices), extra_regressor.shape[1]))
    picked[np.arange(len(landmark_vertices)), landmark_vertices] = 1.0
    dense = np.concatenate([picked, extra_regressor])
    support = np.flatnonzero(np.any(dense != 0, axis=0))
    return support, dense[:, support]


def vertex_subset(model: BodyModel, vertices: Sequence[int]) -> BodyModel:
    """Returns the same body with only some vertices in its mesh, in that order.

    Joints are unchanged: they do not depend on the mesh. Faces are dropped.
    """
    chosen = np.asarray(vertices)
    return model.replace(
        surface=jax.tree.map(lambda a: a[..., chosen], model.surface),
        faces=np.zeros((0, 3), np.int32),
    )


def shape_body(
    model: BodyModel, betas: Float[Array, "*b S"], with_vertices: bool = True
) -> ShapedBody:
    """Returns the rest body of given shape.

    Args:
      model: the body.
      betas: shape coefficients.
      with_vertices: False leaves the mesh out, where only joints are asked for.
    """
    joints = model.joints_template + jnp.einsum(
        "...s,sjc->...jc", betas, model.joints_shape_directions, precision=_PRECISION
    )
    return ShapedBody(
        joints=joints,
        landmarks=_shape_surface(model.landmarks, betas),
        landmark_regressor=model.landmark_regressor,
        surface=_shape_surface(model.surface, betas) if with_vertices else None,
    )


def _shape_surface(surface: Surface, betas: Float[Array, "*b S"]) -> ShapedSurface:
    offsets = jnp.einsum(
        "...s,scv->...cv", betas, surface.shape_directions, precision=_PRECISION
    )
    return ShapedSurface(
        rest=surface.template + offsets,
        pose_directions=surface.pose_directions,
        skinning_weights=surface.skinning_weights,
    )


def pose_joints(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
) -> Body:
    """Returns posed joints without computing the mesh; metres, rotated body frame.

    Args:
      shaped: leading axes broadcast against those of the pose.
      global_orient: rotation of the root about the rest pelvis.
      body_pose: rotations relative to the parents.
    """
    return _pose(shaped, global_orient, body_pose, with_vertices=False)


def pose_body(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
) -> Body:
    """Returns posed joints and vertices; see `pose_joints`.

    Raises:
      ValueError: the body was shaped without vertices.
    """
    if shaped.surface is None:
        raise ValueError("shaped without vertices: shape_body(..., with_vertices=True)")
    return _pose(shaped, global_orient, body_pose, with_vertices=True)


def body_joints(model: BodyModel, params: SmplParams) -> Body:
    """Returns the joints of parameters in one call: shape, then pose, no mesh."""
    shaped = shape_body(model, params.betas, with_vertices=False)
    return pose_joints(shaped, params.global_orient, params.body_pose)


def body_mesh(model: BodyModel, params: SmplParams) -> Body:
    """Returns joints and vertices of parameters in one call."""
    return pose_body(shape_body(model, params.betas), params.global_orient,
                     params.body_pose)  # fmt: skip


def _pose(
    shaped: ShapedBody,
    global_orient: Float[Array, "*b 3 3"],
    body_pose: Float[Array, "*b 23 3 3"],
    with_vertices: bool,
) -> Body:
    rotmats = jnp.concatenate([global_orient[..., None, :, :], body_pose], axis=-3)
    rotations, positions = forward_kinematics(shaped.joints, rotmats)
    # Skinning moves rest vertices: x -> R (x - rest joint) + joint.
    shifts = positions - _apply(rotations, shaped.joints)
    bones = jnp.concatenate([rotations, shifts[..., None]], axis=-1)
    features = body_pose - jnp.eye(3, dtype=body_pose.dtype)
    features = features.reshape(*features.shape[:-3], -1)

    support = jnp.stack(_skin(shaped.landmarks, bones, features), axis=-2)
    landmarks = jnp.einsum(
        "lv,...cv->...lc", shaped.landmark_regressor, support, precision=_PRECISION
    )
    num_landmarks = len(skeleton.LANDMARKS_21)
    named = jnp.concatenate([positions, landmarks[..., :num_landmarks, :]], axis=-2)
    body_25 = named[..., skeleton.BODY_25_SOURCE, :]
    extra_19 = landmarks[..., num_landmarks:, :]
    vertices = None
    if with_vertices:
        vertices = jnp.stack(_skin(shaped.surface, bones, features), axis=-1)
    return Body(
        joints=jnp.concatenate([body_25, extra_19], axis=-2),
        kinematic_joints=positions,
        vertices=vertices,
    )


def _apply(
    matrices: Float[Array, "*b 3 3"], vectors: Float[Array, "*b 3"]
) -> Float[Array, "*b 3"]:
    return jnp.sum(matrices * vectors[..., None, :], axis=-1)


def forward_kinematics(
    rest_joints: Float[Array, "*b 24 3"], rotmats: Float[Array, "*b 24 3 3"]
) -> tuple[Float[Array, "*b 24 3 3"], Float[Array, "*b 24 3"]]:
    """Returns global rotations and positions of the kinematic joints.

    Args:
      rest_joints: rest positions, metres.
      rotmats: rotations relative to the parents; the root's turns about its joint.
    """
    parents = np.asarray(skeleton.SMPL_PARENTS)
    offsets = rest_joints - jnp.where(
        parents[:, None] < 0, 0.0, rest_joints[..., np.maximum(parents, 0), :]
    )
    batch = jnp.broadcast_shapes(rotmats.shape[:-3], rest_joints.shape[:-2])
    local = jnp.concatenate(
        [
            jnp.broadcast_to(rotmats, (*batch, *rotmats.shape[-3:])),
            jnp.broadcast_to(offsets, (*batch, *offsets.shape[-2:]))[..., None],
        ],
        axis=-1,
    )
    # All joints of a level at once: eight products instead of twenty-three.
    root, *levels = (list(level) for level in skeleton.SMPL_LEVELS)
    posed = [local[..., root, :, :]]
    above = root
    for level in levels:
        parent = posed[-1][..., [above.index(parents[j]) for j in level], :, :]
        posed.append(_compose(parent, local[..., level, :, :]))
        above = level
    order = np.argsort(np.concatenate(skeleton.SMPL_LEVELS))
    bones = jnp.concatenate(posed, axis=-3)[..., order, :, :]
    return bones[..., :3], bones[..., 3]


def _compose(
    first: Float[Array, "*b 3 4"], second: Float[Array, "*b 3 4"]
) -> Float[Array, "*b 3 4"]:
    """Rigid motion `second`, then `first`, each as rotation and translation."""
    # Written out: small batched products are slow as calls to a matmul.
    turned = sum(first[..., :, k, None] * second[..., k, None, :] for k in range(3))
    return turned.at[..., 3].add(first[..., 3])


def _skin(
    surface: ShapedSurface,
    bones: Float[Array, "*b 24 3 4"],
    pose_features: Float[Array, "*b 207"],
) -> tuple[Float[Array, "*b V"], Float[Array, "*b V"], Float[Array, "*b V"]]:
    """Linear blend skinning with pose correctives (Eqs. 2-5 and 9 of SMPL): x, y, z."""
    correctives = jnp.einsum(
        "...p,pcv->...cv", pose_features, surface.pose_directions, precision=_PRECISION
    )
    rest = surface.rest + correctives
    blended = jnp.einsum(
        "...jrc,jv->...rcv", bones, surface.skinning_weights, precision=_PRECISION
    )
    x, y, z = (rest[..., c, :] for c in range(3))
    # Written out: compiled to one pass over the vertices, unlike a sum over an axis.
    return tuple(
        blended[..., row, 0, :] * x
        + blended[..., row, 1, :] * y
        + blended[..., row, 2, :] * z
        + blended[..., row, 3, :]
        for row in range(3)
    )
