"""Ray casting against what projective geometry says must be seen."""

import numpy as np
import pytest
import trimesh

from prohmr_jax.rendering import colors, lights
from prohmr_jax.rendering.raycast import render
from prohmr_jax.rendering.surface import Mesh, openness, vertex_normals
from prohmr_jax.rendering.views import Orthographic, Perspective, resized_pixels

SPHERE = trimesh.creation.icosphere(subdivisions=4)
BOX = trimesh.creation.box((1.0, 1.0, 1.0))
UPRIGHT = Orthographic((100.0, 100.0), (63.5, 47.5))
PINHOLE = Perspective((300.0, 300.0), (63.5, 47.5))
SIZE = (128, 96)


def sphere(center, radius, **kwargs):
    return Mesh(SPHERE.vertices * radius + center, SPHERE.faces, **kwargs)


def coverage(raster):
    return raster.rgba[..., 3] / 255


def centroid(image):
    rows, columns = np.indices(image.shape)
    return np.array([(columns * image).sum(), (rows * image).sum()]) / image.sum()


def test_orthographic_sphere_covers_its_circle():
    raster = render([sphere([0.1, -0.05, 3], 0.3)], UPRIGHT, SIZE)
    assert coverage(raster).sum() == pytest.approx(np.pi * 30**2, rel=0.005)
    # 0.1 m and -0.05 m at 100 px/m from the centre (63.5, 47.5).
    np.testing.assert_allclose(centroid(coverage(raster)), [73.5, 42.5], atol=0.02)


def test_perspective_sphere_covers_the_disc_of_its_tangent_cone():
    distance, radius = 2.0, 0.25
    raster = render([sphere([0, 0, distance], radius)], PINHOLE, SIZE)
    seen_radius = 300 * radius / np.sqrt(distance**2 - radius**2)
    assert coverage(raster).sum() == pytest.approx(np.pi * seen_radius**2, rel=0.005)
    np.testing.assert_allclose(centroid(coverage(raster)), PINHOLE.center, atol=0.02)


def test_cube_covers_its_square_with_soft_edges():
    cube = Mesh(BOX.vertices * 0.405 + [0, 0, 2], BOX.faces)
    raster = render([cube], UPRIGHT, SIZE)
    # Each edge pixel counts ninths.
    assert coverage(raster).sum() == pytest.approx(40.5**2, rel=0.01)
    assert set(np.unique(coverage(raster)[47])) > {0.0, 1.0}


@pytest.mark.parametrize("center", [(7.0, 5.0), (0.0, 0.0), (15.0, 11.0)])
def test_principal_point_is_a_pixel_centre(center):
    """A square of one pixel around the axis fills exactly the pixel at `center`."""
    half = 0.5 / 100 * 2
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half * 0.999
    square = np.column_stack([corners, np.full(4, 2.0)])
    raster = render(
        [Mesh(square, np.array([[0, 1, 2], [0, 2, 3]]))],
        Perspective((100.0, 100.0), center),
        (16, 12),
    )
    column, row = (int(x) for x in center)
    expected = np.zeros((12, 16))
    expected[row, column] = 1
    np.testing.assert_array_equal(coverage(raster), expected)


def test_depth_of_a_tilted_plane_at_pixel_centres():
    # z = 3 + 0.5 x - 0.25 y, seen in perspective.
    xy = np.array([[-3, -3], [3, -3], [3, 3], [-3, 3]], float)
    plane = np.column_stack([xy, 3 + xy @ [0.5, -0.25]])
    mesh = Mesh(plane, np.array([[0, 1, 2], [0, 2, 3]]))
    raster = render([mesh], PINHOLE, SIZE, rays_per_pixel=1)
    columns, rows = np.meshgrid(np.arange(128), np.arange(96))
    slope_x, slope_y = (columns - 63.5) / 300, (rows - 47.5) / 300
    expected = 3 / (1 - 0.5 * slope_x + 0.25 * slope_y)
    np.testing.assert_allclose(raster.depth, expected, rtol=1e-6)


def test_depth_stays_exact_far_away():
    view = Perspective((20000.0, 20000.0), (32.0, 32.0))
    corners = np.array([[-1, -1, 60], [1, -1, 60], [0, 1, 60.0]])
    raster = render([Mesh(corners, np.array([[0, 1, 2]]))], view, (65, 65))
    assert np.ptp(raster.depth[32:34, 32:34]) == 0
    assert raster.depth[32, 32] == pytest.approx(60, abs=1e-5)


def test_nearer_mesh_hides_the_other_in_any_order():
    near = sphere([0.1, 0, 2], 0.2, color=(1.0, 0.0, 0.0))
    far = sphere([-0.1, 0, 3], 0.4, color=(0.0, 0.0, 1.0))
    one, other = (render(m, UPRIGHT, SIZE) for m in ([near, far], [far, near]))
    np.testing.assert_array_equal(one.rgba, other.rgba)
    assert one.mesh_index[47, 73] == 0
    assert other.mesh_index[47, 73] == 1
    assert one.rgba[47, 73, 0] > one.rgba[47, 73, 2]
    assert one.rgba[47, 30, 2] > one.rgba[47, 30, 0]
    # The circle of the near one is whole.
    assert (one.mesh_index == 0).sum() == pytest.approx(np.pi * 20**2, rel=0.05)
    assert one.depth[47, 73] == pytest.approx(1.8, abs=0.005)


@pytest.mark.parametrize(
    "meshes",
    [
        [],
        [sphere([0, 0, -3], 0.5)],
        [sphere([90, 0, 3], 0.5)],
        [Mesh(np.zeros((0, 3)), np.zeros((0, 3), int))],
        [Mesh(SPHERE.vertices + [0, 0, 5], np.zeros((0, 3), int))],
    ],
    ids=["no mesh", "behind the camera", "beside the view", "no vertex", "no face"],
)
def test_nothing_to_see_is_an_empty_picture(meshes):
    raster = render(meshes, PINHOLE, SIZE)
    assert not raster.rgba.any()
    assert np.isinf(raster.depth).all()
    assert (raster.mesh_index == -1).all()


def test_only_the_part_in_front_of_the_camera_is_seen():
    # The camera sits inside a sphere of radius 2: its far wall fills the view.
    raster = render([sphere([0, 0, 0], 2.0)], PINHOLE, SIZE)
    assert (coverage(raster) == 1).all()
    assert raster.depth.min() > 1.9


def test_a_part_of_the_view_is_the_same_part_of_the_picture():
    meshes = [sphere([0.2, 0.1, 2], 0.3)]
    whole = render(meshes, PINHOLE, SIZE)
    corner = np.array([50, 40])
    part = render(meshes, PINHOLE.shifted(corner), (60, 50), rays_per_pixel=9)
    # Pixels at the cut have fewer neighbours and may be sampled less.
    np.testing.assert_array_equal(part.rgba[1:-1, 1:-1], whole.rgba[41:89, 51:109])


@pytest.mark.parametrize("view", [UPRIGHT, PINHOLE])
def test_resized_view_sees_the_same_at_another_size(view):
    points = np.array([[0.1, -0.2, 2.0], [-0.3, 0.1, 3.0]])
    scale = np.array([0.25, 0.5])
    np.testing.assert_allclose(
        view.resized(scale).project(points),
        resized_pixels(view.project(points), scale),
    )
    # The outer edge of the picture stays its outer edge.
    np.testing.assert_allclose(
        resized_pixels(np.array([-0.5, 127.5]), 0.25), [-0.5, 31.5]
    )


@pytest.mark.parametrize("view", [UPRIGHT, PINHOLE])
def test_rays_pass_through_the_points_that_project_there(view):
    points = np.array([[0.1, -0.2, 2.0], [-0.3, 0.1, 3.0]])
    origins, directions = view.rays(view.project(points), 1.0)
    along = (points[:, 2] - 1.0)[:, None]
    np.testing.assert_allclose(origins + along * directions, points, atol=1e-12)


def test_same_input_gives_the_same_bytes():
    meshes = [sphere([0, 0, 2], 0.3), sphere([0.2, 0, 1.8], 0.2)]
    first, second = (render(meshes, PINHOLE, SIZE) for _ in range(2))
    assert first.rgba.tobytes() == second.rgba.tobytes()
    assert first.depth.tobytes() == second.depth.tobytes()


def test_inside_out_mesh_looks_the_same():
    outside = sphere([0, 0, 2], 0.3)
    turned = Mesh(outside.vertices, outside.faces[:, ::-1])
    one, other = (
        render([m], PINHOLE, SIZE).rgba.astype(int) for m in (outside, turned)
    )
    assert np.abs(one - other).max() <= 1


def test_vertex_colors_are_interpolated():
    corners = np.array([[-1, -1, 2], [1, -1, 2], [1, 1, 2], [-1, 1, 2]], float)
    left, right = [0.2, 0.5, 0.5], [0.8, 0.5, 0.5]
    mesh = Mesh(
        corners, np.array([[0, 2, 1], [0, 3, 2]]), np.array([left, right, right, left])
    )
    red = render([mesh], UPRIGHT, SIZE, lights=lights.EVEN).rgba[48, :, 0].astype(int)
    assert (np.diff(red) >= 0).all()
    assert red[-1] > red[0] + 60


@pytest.mark.parametrize(
    ("vertices", "faces", "what"),
    [
        (np.full((3, 3), np.nan), [[0, 1, 2]], "not finite"),
        (np.zeros((3, 2)), [[0, 1, 2]], "not \\[V, 3\\]"),
        (np.zeros((3, 3)), [[0, 1, 3]], "outside 0..2"),
    ],
)
def test_impossible_meshes_are_refused(vertices, faces, what):
    with pytest.raises(ValueError, match=what):
        Mesh(vertices, np.array(faces))


def test_vertex_normals_of_a_sphere_point_outwards():
    normals = vertex_normals(SPHERE.vertices, SPHERE.faces)
    np.testing.assert_allclose(normals, SPHERE.vertices, atol=0.01)


def test_openness_is_full_on_a_convex_body():
    np.testing.assert_array_equal(openness(SPHERE.vertices, SPHERE.faces), 1)


@pytest.mark.parametrize("turn", [0.0, 1.0])
def test_openness_at_the_foot_of_a_high_wall_is_a_half(turn):
    # A floor (normal +z); its last vertex stands 1 cm before a wall (plane x = 0).
    floor = [[9, 0, 0], [0, 9, 0], [0, -9, 0], [0.01, 0, 0]]
    wall = [[0, -9, 0], [0, 9, 0], [0, 9, 9], [0, -9, 9]]
    faces = np.array([[0, 1, 3], [0, 3, 2], [1, 2, 3], [4, 5, 6], [4, 6, 7]])
    rotation = trimesh.transformations.rotation_matrix(turn, [1, 2, 3])[:3, :3]
    vertices = np.array(floor + wall) @ rotation.T + [3, -5, 7]
    share = openness(vertices, faces, num_rays=512, reach=20.0)
    assert share[3] == pytest.approx(0.5, abs=0.03)
    # What is out of reach hides nothing.
    assert openness(vertices, faces, num_rays=64, reach=0.005)[3] == 1


def test_surfaces_that_face_the_key_lamp_are_brighter():
    rig = lights.STUDIO
    toward = np.array([rig.key.toward], np.float32) / np.linalg.norm(rig.key.toward)
    eye, white = np.array([[0, 0, -1.0]]), np.ones((1, 3))
    facing, away = (rig.shade(white, n, eye, np.ones(1)) for n in (toward, -toward))
    hollow = rig.shade(white, toward, eye, np.zeros(1))
    assert (facing > 2 * away).all()
    assert (hollow < facing).all()
    assert (away > 0).all()


def cielab(srgb):
    """CIE L*a*b* (D65), written out independently of the package's OKLab."""
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = linear @ to_xyz.T / [0.95047, 1.0, 1.08883]
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(f, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def test_spread_colours_darken_steadily_in_even_steps():
    lab = cielab(colors.spread_color(np.linspace(0, 1, 101)))
    assert (np.diff(lab[:, 0]) < 0).all()
    assert lab[0, 0] > 85
    assert lab[-1, 0] < 30
    # Steps of ten percent look alike: no band jumps out, none is flat.
    steps = np.linalg.norm(np.diff(lab[::10], axis=0), axis=1)
    assert steps.max() < 2.5 * steps.min()


def test_spread_colours_hold_beyond_the_scale():
    ends = colors.spread_color(np.array([-1.0, 0, 1, 9]))
    np.testing.assert_array_equal(ends[0], ends[1])
    np.testing.assert_array_equal(ends[2], ends[3])


def test_srgb_round_trip_and_known_value():
    levels = np.linspace(0, 1, 256)
    np.testing.assert_allclose(colors.to_srgb(colors.to_linear(levels)), levels)
    # Half of the light of white is byte 188 of sRGB.
    assert np.rint(255 * colors.to_srgb(np.array(0.5))) == 188
