"""The fast painter agrees with the ray caster on what is seen, and in front."""

import numpy as np
import pytest
import trimesh

from prohmr_jax.rendering.painter import paint
from prohmr_jax.rendering.raycast import render
from prohmr_jax.rendering.side_view import SideView
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Orthographic, Perspective

SIZE = (160, 120)
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)
VIEW = Perspective((150.0, 150.0), (79.5, 59.5))


def ball(center, radius=0.4, color=RED):
    sphere = trimesh.creation.icosphere(3, radius)
    return Mesh(sphere.vertices + center, sphere.faces, color)


def canvas():
    return np.full((SIZE[1], SIZE[0], 3), 255, np.uint8)


@pytest.mark.parametrize(
    "view",
    [VIEW, Orthographic((60.0, 60.0), (79.5, 59.5))],
    ids=["perspective", "flat"],
)
def test_it_covers_what_rays_meet(view):
    meshes = [ball([0.2, 0.1, 3.0]), ball([-0.1, 0.0, 2.2], 0.25, BLUE)]
    painted = paint(canvas(), meshes, view)
    raster = render(meshes, view, SIZE)
    covered = np.abs(painted.astype(int) - 255).max(axis=2) > 60
    expected = raster.rgba[..., 3] > 127
    assert (covered & expected).sum() / (covered | expected).sum() > 0.95
    # The nearer ball hides the other one.
    blue = painted[..., 2] > painted[..., 0].astype(int) + 50
    agree = blue == (raster.mesh_index == 1)
    assert agree[expected].mean() > 0.95


def test_what_is_behind_or_outside_is_not_drawn():
    behind, aside = ball([0.0, 0.0, -3.0]), ball([50.0, 0.0, 3.0])
    around = ball([0.0, 0.0, 0.0])  # the camera is inside
    for mesh in (behind, aside, around):
        np.testing.assert_array_equal(paint(canvas(), [mesh], VIEW), canvas())
    np.testing.assert_array_equal(paint(canvas(), [], VIEW), canvas())


def test_the_side_view_shows_depth_to_the_right():
    joints = np.array([[0.0, -0.5, 2.0], [0.0, 0.5, 6.0]] * 50)
    side = SideView.around(joints, (200, 150))
    near, far = ball([0.0, 0.0, 2.5]), ball([0.0, 0.0, 5.5], color=BLUE)
    picture = side.draw([near, far]).astype(int)
    red = np.argwhere(picture[..., 0] > picture[..., 2] + 50)[:, 1].mean()
    blue = np.argwhere(picture[..., 2] > picture[..., 0] + 50)[:, 1].mean()
    assert blue - red == pytest.approx(3.0 * side.pixels_per_metre, rel=0.03)
    # Who stands further right in the picture is nearer to this viewer.
    hidden = side.draw([ball([-1.0, 0, 4.0], 0.2), ball([1.0, 0, 4.0], color=BLUE)])
    hidden = hidden.astype(int)
    assert not (hidden[..., 0] > hidden[..., 2] + 50).any()


def test_the_side_view_of_nobody_is_a_grid():
    side = SideView.around(np.zeros((3, 3)), (120, 90))
    assert side.draw([]).shape == (90, 120, 3)
