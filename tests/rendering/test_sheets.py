"""Sheets: what stands where, at which scale, in which colour."""

import numpy as np
import pytest
import trimesh

from prohmr_jax.rendering.color_bar import color_bar, spread_scale
from prohmr_jax.rendering.colors import spread_color
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.sheet import hypotheses_sheet
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.skeleton import BODY_25

BALL = trimesh.creation.icosphere(subdivisions=2)
FACES = np.asarray(BALL.faces)
BODY = BALL.vertices * [0.3, 0.9, 0.15] + [0.2, 0.1, 20.0]
RED, GREEN, BLUE = ((200, 0, 0), (0, 200, 0), (0, 0, 200))


def panel(width, height, color):
    return np.full((height, width, 3), color, np.uint8)


def box_of(sheet, color):
    """Returns (left, top, right, bottom) of a colour, which must fill a rectangle."""
    rows, columns = np.nonzero((sheet == color).all(axis=2))
    left, top, right, bottom = columns.min(), rows.min(), columns.max(), rows.max()
    assert len(rows) == (right - left + 1) * (bottom - top + 1)
    return left, top, right + 1, bottom + 1


def inked(panel):
    return (panel != 255).any(axis=2)


def test_contact_sheet_shows_every_panel_whole_and_in_order():
    panels = [panel(60, 40, RED), panel(30, 50, GREEN), None, panel(50, 20, BLUE)]
    sheet = contact_sheet(panels, 2, ["a", "b"], row_labels=["x", "y"], heading="h")
    red, green, blue = (box_of(sheet, color) for color in (RED, GREEN, BLUE))
    for box, (width, height) in ((red, (60, 40)), (green, (30, 50)), (blue, (50, 20))):
        assert (box[2] - box[0], box[3] - box[1]) == (width, height)
    assert red[2] < green[0]
    assert green[3] < blue[1]
    # Same column, same middle; same row, same middle.
    assert green[0] + green[2] == blue[0] + blue[2]
    assert red[1] + red[3] == green[1] + green[3]
    edge = np.concatenate([sheet[:9].reshape(-1, 3), sheet[:, :9].reshape(-1, 3)])
    assert (edge == 255).all()


def test_contact_sheet_grows_by_its_text_only_where_there_is_any():
    panels = [panel(60, 40, RED)] * 4
    bare = contact_sheet(panels, 2)
    titled = contact_sheet(panels, 2, ["one"])
    twice = contact_sheet(panels, 2, ["one", "", "three"])
    headed = contact_sheet(panels, 2, heading="all")
    heights = [sheet.shape[0] for sheet in (bare, titled, twice)]
    assert heights[1] - heights[0] == heights[2] - heights[1] > 0
    assert headed.shape[0] > bare.shape[0]
    assert headed.shape[1] == bare.shape[1]
    # 2 panels, margins of twice the text, one gap.
    assert bare.shape == (2 * 40 + 4 * 18 + 20, 2 * 60 + 4 * 18 + 20, 3)


@pytest.mark.parametrize(
    "wrong",
    [{"panels": []}, {"titles": "abc"}, {"row_labels": "ab"}],
)
def test_contact_sheet_refuses_what_does_not_fit(wrong):
    given = {
        "panels": [panel(9, 9, RED)] * 2,
        "titles": "ab",
        "row_labels": "a",
    } | wrong
    with pytest.raises(ValueError, match="do not carry"):
        contact_sheet(columns=2, **given)


def test_stage_shows_width_in_front_and_depth_from_the_side():
    stage = Stage.around(BODY[None], 300)
    front, side = stage.panels(Mesh(BODY, FACES))
    assert front.shape == side.shape == (stage.height, stage.width, 3)
    assert stage.height == 300
    for view, (half_width, half_height) in ((front, (0.3, 0.9)), (side, (0.15, 0.9))):
        rows, columns = np.nonzero(inked(view))
        scale = stage.pixels_per_metre
        assert np.ptp(rows) == pytest.approx(2 * half_height * scale, abs=2)
        assert np.ptp(columns) == pytest.approx(2 * half_width * scale, abs=2)
        assert columns.mean() == pytest.approx((stage.width - 1) / 2, abs=1)


def test_side_view_has_the_camera_at_its_left():
    near, far = BALL.vertices * 0.1 + [0, 0, 1.0], BALL.vertices * 0.4 + [0, 0, 2.0]
    faces = np.concatenate([FACES, FACES + len(near)])
    both = np.concatenate([near, far])
    stage = Stage.around(both[None], 200)
    _, side = stage.panels(Mesh(both, faces))
    heights = inked(side).sum(axis=0)
    assert 0 < heights[: stage.width // 5].max() < heights[stage.width // 2 :].max() / 2


def test_wide_groups_get_lower_panels_not_wider_ones():
    lying = BODY[:, [1, 0, 2]]
    stage = Stage.around(lying[None], 300)
    assert stage.width <= 1.2 * 300 + 12
    assert stage.height < stage.width / 2
    _, _, z = np.ptp(BODY, axis=0)
    assert stage.pixels_per_metre * z < stage.width


def test_ghosts_show_beside_the_solid_body_in_any_order():
    ghosts = BODY + np.array([[[0.25, 0, 0]], [[0.1, 0, 0]], [[-0.4, 0, 0]]])
    stage = Stage.around(np.concatenate([BODY[None], ghosts]), 200)
    solid = Mesh(BODY, FACES)
    front, _ = stage.ghost_panels(solid, ghosts)
    again, _ = stage.ghost_panels(solid, ghosts[::-1])
    np.testing.assert_allclose(front.astype(int), again, atol=1)
    alone, _ = stage.panels(solid)
    core = inked(alone)
    # Solid inside, lighter than the body outside.
    row = stage.height // 2
    np.testing.assert_array_equal(
        front[row, core[row]][3:-3], alone[row, core[row]][3:-3]
    )
    ghostly = front[inked(front) & ~core]
    assert len(ghostly) > 500
    assert ghostly.min() > 120


@pytest.mark.parametrize(
    ("spread", "largest"),
    [(0.0, 0.001), (0.0199, 0.02), (0.02, 0.02), (0.045, 0.05), (0.13, 0.16), (0.9, 1)],
)
def test_scale_of_the_spread_is_round_and_covers_it(spread, largest):
    assert spread_scale(np.full(50, spread)) == pytest.approx(largest)


def test_one_fingertip_does_not_decide_the_scale():
    assert spread_scale(np.array([0.03] * 999 + [0.9])) == pytest.approx(0.03)


def test_colour_bar_runs_over_the_colour_map():
    bar = color_bar(0.05, 240, 20)
    assert bar.shape[1] == 240
    row = bar[3]
    coloured = row[(row != 255).any(axis=1)]
    expected = np.rint(255 * spread_color(np.linspace(0, 1, len(coloured))))
    np.testing.assert_array_equal(coloured, expected)
    # Labels in black below.
    assert (bar[-30:].max(axis=2) < 80).any()


def test_sheet_grows_by_a_column_per_panel():
    samples = BODY + np.linspace(-0.05, 0.05, 5)[:, None, None] * [1, 0, 0]
    spread = np.full(len(BODY), 0.02)
    common = {"faces": FACES, "panel_px": 120}

    def width(count, **more):
        # Always all samples, so that the stage is the same.
        sheet = hypotheses_sheet(
            BODY, samples, spread, num_shown=count, **common, **more
        )
        assert sheet.dtype == np.uint8
        assert (sheet[:5] == 255).all()
        return sheet.shape[1]

    widths = [width(count) for count in (0, 1, 2, 3)]
    steps = np.diff(widths)
    assert (steps == steps[0]).all()
    assert steps[0] > 0
    keypoints = np.random.default_rng(0).uniform(10, 90, (len(BODY_25), 2))
    photo = np.zeros((100, 100, 3), np.uint8)
    assert width(1, photo_crop=photo) > widths[1] + 100
    assert width(1, keypoints=keypoints) > widths[1]


def test_many_columns_go_on_below():
    samples = np.stack([BODY] * 24)
    common = {"faces": FACES, "panel_px": 60}
    spread = np.full(len(BODY), 0.02)
    one = hypotheses_sheet(BODY, samples, spread, num_shown=9, **common)
    # Twelve columns are a line; 24 + 3 columns are three lines of nine.
    three = hypotheses_sheet(BODY, samples, spread, num_shown=24, **common)
    assert three.shape[1] < one.shape[1]
    assert 2 < three.shape[0] / one.shape[0] < 3
    pink = lambda sheet: np.sum(np.ptp(sheet, axis=2) > 40)  # noqa: E731
    # Every sample is drawn: the longer sheet has 15 more of the same body.
    fewer = hypotheses_sheet(BODY, samples, spread, num_shown=8, **common)
    of_one = int(pink(one)) - int(pink(fewer))
    assert int(pink(three)) - int(pink(one)) == pytest.approx(15 * of_one, rel=0.02)


def test_sheet_without_samples_has_no_column_for_them():
    spread = np.zeros(len(BODY))
    none = hypotheses_sheet(
        BODY, np.zeros((0, *BODY.shape)), spread, FACES, panel_px=90
    )
    one = hypotheses_sheet(BODY, BODY[None], spread, FACES, panel_px=90)
    assert none.shape[1] < one.shape[1]


def test_sheet_shows_the_mode_on_the_photo_only_with_a_camera():
    photo = np.full((200, 200, 3), (10, 120, 10), np.uint8)
    view = Perspective((2000.0, 2000.0), (80.0, 90.0))
    spread = np.full(len(BODY), 0.02)
    without, with_view = (
        hypotheses_sheet(
            BODY, BODY[None], spread, FACES, photo_crop=photo, crop_view=v, panel_px=100
        ).astype(int)
        for v in (None, view)
    )
    assert without.shape[1] == with_view.shape[1]
    assert without.shape[0] < with_view.shape[0]  # its second photo has a title

    def green(sheet):
        return (np.abs(sheet - [10, 120, 10]).max(axis=2) <= 1).sum()

    assert green(without) == 100 * 100
    # The second photo is half covered by the body: an ellipse of 30 x 90 px at 1/2.
    covered = np.pi * (0.3 * 100 / 2) * (0.9 * 100 / 2)
    assert green(with_view) == pytest.approx(2 * 100 * 100 - covered, rel=0.02)


def test_spread_is_painted_in_the_colours_of_the_bar():
    low, high = (
        hypotheses_sheet(
            BODY, BODY[None], np.full(len(BODY), value), FACES, panel_px=100
        ).astype(int)
        for value in (0.001, 0.1)
    )
    # The last column is the only one that differs, apart from the bar's labels.
    difference = np.abs(low - high).sum(axis=2) > 30
    assert not difference[:, : low.shape[1] // 2].any()


def test_sheet_is_deterministic():
    samples = BODY + np.array([[[0.02, 0, 0]], [[0, 0, 0.1]]])
    spread = np.linspace(0, 0.1, len(BODY))
    one, two = (
        hypotheses_sheet(BODY, samples, spread, FACES, panel_px=80) for _ in range(2)
    )
    assert one.tobytes() == two.tobytes()
