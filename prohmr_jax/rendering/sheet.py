"""Draws a person's distribution on one sheet: mode, samples and spread."""

import dataclasses

import numpy as np

from prohmr_jax.rendering import colors
from prohmr_jax.rendering.color_bar import color_bar, spread_scale
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.drawing import (
    draw_keypoints,
    fit_within,
    plain_canvas,
    require_photo,
)
from prohmr_jax.rendering.lights import EVEN
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh, openness
from prohmr_jax.rendering.views import View, resized_pixels

# Largest number of translucent bodies: more of them blur into a cloud, and each one has
# to be rendered.
MAX_GHOSTS = 12
# More columns are broken into lines below each other, so that the sheet fits a page.
_MAX_COLUMNS = 12


def hypotheses_sheet(
    mode_vertices: np.ndarray,
    sample_vertices: np.ndarray,
    vertex_spread: np.ndarray,
    faces: np.ndarray,
    *,
    photo_crop: np.ndarray | None = None,
    keypoints: np.ndarray | None = None,
    confidence: np.ndarray | None = None,
    crop_view: View | None = None,
    num_shown: int = 3,
    panel_px: int = 400,
    heading: str = "",
) -> np.ndarray:
    """Returns a sheet of bodies seen from the camera and, below that, from the side.

    The columns show the detections (and below them the mode over the photo), the mode,
    the first samples, many samples over each other, and the mode coloured by the
    spread. More than twelve columns go on in further lines. All bodies have the same
    scale and place. The side view is turned by 90 degrees about the vertical, so that
    points nearer to the camera are further left.

    Args:
      mode_vertices: body of the mode, [V, 3], metres, camera frame.
      sample_vertices: bodies of K >= 0 samples, [K, V, 3], metres, camera frame.
      vertex_spread: root mean square distance of each vertex of the samples from its
        mean, [V], metres.
      faces: vertex numbers of the triangles, [F, 3].
      photo_crop: the photo around the person, RGB uint8 [H, W, 3]; None for no photo.
      keypoints: detections, [25, 2], BODY_25, pixels of the crop; None for none.
      confidence: confidence of the keypoints, [25]; those at 0 are not drawn. None
        draws all of them.
      crop_view: camera of the crop; None leaves out the mode over the photo.
      num_shown: largest number of columns with single samples.
      panel_px: height of a panel that shows a standing person, pixels.
      heading: text above the sheet.

    Returns:
      RGB uint8 [H, W, 3] on white.
    """
    samples = np.asarray(sample_vertices, float)
    shown = np.stack([mode_vertices, *samples[: max(num_shown, MAX_GHOSTS)]])
    stage = Stage.around(shown, panel_px)
    text_px = max(10, round(panel_px / 17))
    mode = Mesh(mode_vertices, faces, colors.BODY_BLUE, openness(mode_vertices, faces))
    columns = {}
    if photo_crop is not None or keypoints is not None:
        columns["Detected"] = _seen_panels(
            photo_crop, keypoints, confidence, mode, crop_view, panel_px
        )
    columns["Mode"] = stage.panels(mode)
    for number, vertices in enumerate(samples[:num_shown], start=1):
        sample = Mesh(vertices, faces, colors.BODY_PINK, openness(vertices, faces))
        columns[f"Sample {number}"] = stage.panels(sample)
    if len(samples) > 1:
        ghosts = samples[:MAX_GHOSTS]
        columns[f"{len(ghosts)} samples"] = stage.ghost_panels(mode, ghosts)
    largest = spread_scale(vertex_spread)
    spread_colors = colors.spread_color(np.asarray(vertex_spread) / largest)
    painted = dataclasses.replace(mode, color=spread_colors)
    columns["Spread"] = stage.panels(painted, EVEN)
    bar = color_bar(largest, max(stage.width, 9 * text_px), text_px)
    num_lines = -(-len(columns) // _MAX_COLUMNS)
    width = -(-len(columns) // num_lines)
    panels, titles = [], []
    for first in range(0, len(columns), width):
        line = list(columns.items())[first : first + width]
        blank = [None] * (width - len(line))
        names, pairs = zip(*line, strict=True)
        front, side = zip(*pairs, strict=True)
        panels += [*front, *blank, *side, *blank]
        titles += [*names, *[""] * (2 * width - len(names))]
    if "Detected" in columns and crop_view is not None:
        titles[width] = "Mode in the picture"
    return contact_sheet(
        # The bar stands below the last column, which it explains.
        [*panels, *[None] * (len(line) - 1), bar],
        width,
        titles,
        row_labels=["camera", "side"] * num_lines,
        heading=heading,
        text_px=text_px,
    )


def _seen_panels(photo_crop, keypoints, confidence, mode, crop_view, panel_px):
    """Returns pictures of the detections, and of the mode if the camera is known."""
    if keypoints is not None and confidence is None:
        confidence = np.ones(len(keypoints))
    if photo_crop is None:
        picture, scale, corner = plain_canvas(
            np.asarray(keypoints)[np.asarray(confidence) > 0], panel_px
        )
    else:
        require_photo(photo_crop)
        picture, corner = fit_within(photo_crop, panel_px), np.zeros(2)
        scale = np.divide(picture.shape[1::-1], photo_crop.shape[1::-1])
    detected = picture
    if keypoints is not None:
        xy = resized_pixels(np.asarray(keypoints) - corner, scale)
        detected = draw_keypoints(picture, xy, confidence)
    if crop_view is None:
        return detected, None
    view = crop_view.shifted(corner).resized(scale)
    return detected, overlay(picture, mode.vertices, mode.faces, view)
