"""Mesh files, read back by a program of its own."""

import json
import struct

import cv2
import numpy as np
import pytest
import trimesh

from prohmr_jax.errors import InputError
from prohmr_jax.files.meshes import write_glb, write_obj, write_ply

BALL = trimesh.creation.icosphere(subdivisions=3)
VERTICES = BALL.vertices * [0.3, 0.9, 0.2] + [0.1, 0.4, 3.0]
FACES = np.asarray(BALL.faces)
COLORS = np.clip(np.abs(BALL.vertices), 0.05, 1)
WRITERS = {"body.obj": write_obj, "body.ply": write_ply, "body.glb": write_glb}


@pytest.fixture(params=WRITERS)
def file(request, tmp_path):
    return tmp_path / request.param


def write(file, *args):
    WRITERS[file.name](file, *args)


def test_read_back_has_y_up_and_the_same_order(file):
    write(file, VERTICES, FACES)
    mesh = trimesh.load(file, force="mesh", process=False)
    expected = VERTICES * [1, -1, -1]
    np.testing.assert_allclose(mesh.vertices, expected, atol=6e-6)
    np.testing.assert_array_equal(mesh.faces, FACES)
    # A rotation, not a mirror image: faces still look outwards.
    assert mesh.volume == pytest.approx(BALL.volume * 0.3 * 0.9 * 0.2, rel=1e-4)


@pytest.mark.skipif(not hasattr(cv2, "loadMesh"), reason="needs OpenCV 5")
@pytest.mark.parametrize("name", ["body.obj", "body.ply"])
def test_another_library_reads_the_same_mesh(tmp_path, name):
    """OpenCV has readers of its own for both formats."""
    WRITERS[name](tmp_path / name, VERTICES, FACES)
    vertices, faces = cv2.loadMesh(str(tmp_path / name))[:2]
    expected = VERTICES * [1, -1, -1]
    np.testing.assert_allclose(vertices.reshape(-1, 3), expected, atol=6e-6)
    np.testing.assert_array_equal(np.reshape(faces, (-1, 3)), FACES)


def test_normals_are_smooth_and_point_outwards(file):
    sphere = BALL.vertices + [0, 0, 3.0]
    write(file, sphere, FACES)
    if file.suffix == ".glb":
        normals = glb_attribute(file, "NORMAL", 3)
    elif file.suffix == ".ply":
        normals = trimesh.load(file, process=False).vertex_normals
    else:
        lines = file.read_text().splitlines()
        normals = np.array([x.split()[1:] for x in lines if x.startswith("vn ")], float)
    np.testing.assert_allclose(normals, BALL.vertices * [1, -1, -1], atol=0.02)


def glb_attribute(file, name, width):
    """Reads a float attribute by the glTF 2.0 specification, without a library."""
    content = file.read_bytes()
    length = struct.unpack_from("<I", content, 12)[0]
    tree = json.loads(content[20 : 20 + length])
    accessor = tree["accessors"][tree["meshes"][0]["primitives"][0]["attributes"][name]]
    view = tree["bufferViews"][accessor["bufferView"]]
    start = 28 + length + view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
    flat = np.frombuffer(content, "<f4", accessor["count"] * width, start)
    return flat.reshape(-1, width)


def test_colours_survive(file):
    write(file, VERTICES, FACES, COLORS)
    mesh = trimesh.load(file, force="mesh", process=False)
    read = np.asarray(mesh.visual.vertex_colors)[:, :3] / 255
    # glTF's vertex colours are linear light.
    expected = ((COLORS + 0.055) / 1.055) ** 2.4 if file.suffix == ".glb" else COLORS
    np.testing.assert_allclose(read, expected, atol=1.01 / 255)


def test_same_body_gives_the_same_bytes(file):
    write(file, VERTICES, FACES, COLORS)
    first = file.read_bytes()
    write(file, VERTICES, FACES, COLORS)
    assert file.read_bytes() == first


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"vertices": np.where(np.arange(642)[:, None] == 7, np.nan, VERTICES)}, "x 7"),
        ({"vertices": VERTICES * np.inf}, "vertex 0 is not finite"),
        ({"vertices": VERTICES[:, :2]}, "vertices have shape"),
        ({"vertices": VERTICES[:600]}, "outside 0..599"),
        ({"faces": FACES[:, :2]}, "faces have shape"),
        ({"faces": FACES - 1}, "outside 0..641"),
        ({"vertex_colors": COLORS[:5]}, "vertex colours"),
        ({"vertex_colors": COLORS * np.nan}, "vertex colours"),
    ],
)
def test_unusable_meshes_are_refused_and_leave_the_old_file(file, change, what):
    file.write_bytes(b"old")
    mesh = {"vertices": VERTICES, "faces": FACES, "vertex_colors": None} | change
    with pytest.raises(InputError, match=what) as error:
        write(file, *mesh.values())
    assert str(error.value).startswith(str(file))
    assert file.read_bytes() == b"old"
    assert list(file.parent.iterdir()) == [file]
