"""Writes meshes as OBJ, PLY and GLB (glTF 2.0), for viewers and other programs.

All files hold the body in the frame that viewers expect, metres with Y up: the camera
frame (x right, y down, z forward) is turned by pi about x, so that (x, y, z) becomes
(x, -y, -z). The person stands upright, and the camera of the photo is at the origin and
looks along -z.
"""

import os

import numpy as np
import trimesh

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.rendering.colors import BODY_BLUE, to_linear

CAMERA_TO_Y_UP = np.array([1.0, -1.0, -1.0])
"""Factors that take (x, y, z) of the camera frame to the frame of mesh files."""


def write_obj(
    path: str | os.PathLike,
    vertices: np.ndarray,
    faces: np.ndarray,
    vertex_colors: np.ndarray | None = None,
) -> None:
    """Writes a Wavefront OBJ file with smooth normals in one step.

    Args:
      path: file to write.
      vertices: [V, 3], metres, camera frame.
      faces: [F, 3] vertex numbers, counterclockwise as seen from outside.
      vertex_colors: [V, 3] sRGB in [0, 1], written after the coordinates on the `v`
        lines, where most programs expect them; None for none.

    Raises:
      InputError: a vertex is NaN or infinite, a shape is wrong, or the path cannot be
        written; an existing file is then left as it was.
    """
    mesh = _mesh(path, vertices, faces, vertex_colors)
    # Five digits are 0.01 mm, far below the accuracy of a body model.
    text = trimesh.exchange.obj.export_obj(
        mesh,
        include_normals=True,
        include_color=vertex_colors is not None,
        include_texture=False,
        write_texture=False,
        digits=5,
        header=f"{len(mesh.vertices)} vertices, metres, Y up",
    )
    write_atomically(path, lambda stream: stream.write(text.encode()))


def write_ply(
    path: str | os.PathLike,
    vertices: np.ndarray,
    faces: np.ndarray,
    vertex_colors: np.ndarray | None = None,
) -> None:
    """Writes a binary PLY file with smooth normals in one step.

    Args:
      path: file to write.
      vertices: [V, 3], metres, camera frame.
      faces: [F, 3] vertex numbers, counterclockwise as seen from outside.
      vertex_colors: [V, 3] sRGB in [0, 1]; None for none.

    Raises:
      InputError: a vertex is NaN or infinite, a shape is wrong, or the path cannot be
        written; an existing file is then left as it was.
    """
    mesh = _mesh(path, vertices, faces, vertex_colors)
    content = trimesh.exchange.ply.export_ply(mesh, vertex_normal=True)
    write_atomically(path, lambda stream: stream.write(content))


def write_glb(
    path: str | os.PathLike,
    vertices: np.ndarray,
    faces: np.ndarray,
    vertex_colors: np.ndarray | None = None,
) -> None:
    """Writes a binary glTF 2.0 file with smooth normals in one step.

    Args:
      path: file to write.
      vertices: [V, 3], metres, camera frame.
      faces: [F, 3] vertex numbers, counterclockwise as seen from outside.
      vertex_colors: [V, 3] sRGB in [0, 1]; they are converted to linear light, which
        glTF's COLOR_0 holds. None gives the whole body a light blue material.

    Raises:
      InputError: a vertex is NaN or infinite, a shape is wrong, or the path cannot be
        written; an existing file is then left as it was.
    """
    if vertex_colors is not None:
        vertex_colors = to_linear(np.asarray(vertex_colors))
    mesh = _mesh(path, vertices, faces, vertex_colors)
    if vertex_colors is None:
        mesh.visual = trimesh.visual.TextureVisuals(
            material=trimesh.visual.material.PBRMaterial(
                name="body",
                baseColorFactor=[*to_linear(np.array(BODY_BLUE)).tolist(), 1.0],
                metallicFactor=0.0,
                roughnessFactor=0.7,
            )
        )
    content = trimesh.exchange.gltf.export_glb(
        trimesh.Scene({"body": mesh}), include_normals=True
    )
    write_atomically(path, lambda stream: stream.write(content))


def _mesh(path, vertices, faces, vertex_colors) -> trimesh.Trimesh:
    """Returns the checked mesh with Y up; vertices keep their number and order."""
    vertices, faces = np.asarray(vertices, float), np.asarray(faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or not len(vertices):
        raise InputError(path, f"vertices have shape {vertices.shape}, not [V, 3]")
    finite = np.isfinite(vertices).all(axis=1)
    if not finite.all():
        raise InputError(path, f"vertex {np.argmin(finite)} is not finite; not written")
    if faces.ndim != 2 or faces.shape[1] != 3 or not len(faces):
        raise InputError(path, f"faces have shape {faces.shape}, not [F, 3]")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            path, f"faces refer to vertices outside 0..{len(vertices) - 1}"
        )
    mesh = trimesh.Trimesh(vertices * CAMERA_TO_Y_UP, faces, process=False)
    if vertex_colors is not None:
        colors = np.asarray(vertex_colors, float)
        if colors.shape != vertices.shape or not np.isfinite(colors).all():
            raise InputError(
                path,
                f"vertex colours have shape {colors.shape}, not {vertices.shape}, or "
                "are not finite",
            )
        mesh.visual.vertex_colors = np.rint(255 * np.clip(colors, 0, 1)).astype("u1")
    return mesh
