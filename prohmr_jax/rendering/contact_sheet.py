"""Arranges panels in a grid with titles, for sheets of results and of examples.

Pillow has no grid with titles, and a matplotlib figure would resample the panels.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from prohmr_jax.rendering.colors import FAINT_INK, INK, WHITE
from prohmr_jax.rendering.drawing import font


def contact_sheet(
    panels: Sequence[np.ndarray | None],
    columns: int,
    titles: Sequence[str] = (),
    *,
    row_labels: Sequence[str] = (),
    heading: str = "",
    text_px: int = 18,
) -> np.ndarray:
    """Returns a picture of panels in a grid, each centred in its cell, RGB uint8.

    A column is as wide as its widest panel, a row as high as its highest one; margins
    follow the size of the text.

    Args:
      panels: RGB uint8 pictures [h, w, 3] of any sizes, row by row; None leaves a cell
        empty.
      columns: number of cells per row.
      titles: titles above the panels, in the same order; missing titles and "" are left
        out, and a row without any title has no space for them.
      row_labels: labels at the left of the rows, written upwards.
      heading: text above the grid, at the left.
      text_px: height of the titles, pixels.

    Raises:
      ValueError: there are no panels, more titles than panels, or more labels than
        rows.
    """
    rows = -(-len(panels) // columns)
    if not panels or len(titles) > len(panels) or len(row_labels) > rows:
        raise ValueError(
            f"{len(panels)} panels in {rows} rows do not carry {len(titles)} titles "
            f"and {len(row_labels)} row labels"
        )
    cells = [*panels, *[None] * (rows * columns - len(panels))]
    titles = [*titles, *[""] * (len(cells) - len(titles))]
    margin, gap = 2 * text_px, round(1.1 * text_px)
    title_height = round(1.9 * text_px)
    title_font = font(text_px)
    widths = [0] * columns
    heights, has_titles = [0] * rows, [False] * rows
    for cell, (panel, title) in enumerate(zip(cells, titles, strict=True)):
        row, column = divmod(cell, columns)
        height, width = (0, 0) if panel is None else panel.shape[:2]
        widths[column] = max(widths[column], width, round(title_font.getlength(title)))
        heights[row] = max(heights[row], height)
        has_titles[row] |= bool(title)

    left = margin + (round(1.8 * text_px) if any(row_labels) else 0)
    top = margin + (round(3.0 * text_px) if heading else 0)
    lefts = left + np.cumsum([0, *(width + gap for width in widths)])
    row_heights = [
        height + title_height * has_title
        for height, has_title in zip(heights, has_titles, strict=True)
    ]
    tops = top + np.cumsum([0, *(height + gap for height in row_heights)])
    size = int(lefts[-1]) - gap + margin, int(tops[-1]) - gap + margin
    sheet = Image.new("RGB", size, WHITE)
    draw = ImageDraw.Draw(sheet)
    if heading:
        draw.text(
            (margin, margin), heading, INK, font(round(1.35 * text_px)), anchor="la"
        )
    for cell, (panel, title) in enumerate(zip(cells, titles, strict=True)):
        row, column = divmod(cell, columns)
        middle = int(lefts[column]) + widths[column] // 2
        if title:
            at = middle, int(tops[row]) + round(1.2 * text_px)
            draw.text(at, title, INK, title_font, anchor="ms")
        if panel is not None:
            picture = Image.fromarray(panel)
            y = int(tops[row]) + title_height * has_titles[row]
            y += (heights[row] - picture.height) // 2
            sheet.paste(picture, (middle - picture.width // 2, y))
    for row, label in enumerate(row_labels):
        y = int(tops[row]) + title_height * has_titles[row] + heights[row] // 2
        _write_upwards(sheet, label, margin, y, text_px)
    return np.asarray(sheet)


def _write_upwards(sheet: Image.Image, text: str, left: int, y: int, text_px: int):
    """Writes text upwards, with its middle at height y."""
    if not text:
        return
    length = round(font(text_px).getlength(text)) + 2
    line = Image.new("RGB", (length, round(1.4 * text_px)), WHITE)
    middle = length / 2, line.height / 2
    ImageDraw.Draw(line).text(middle, text, FAINT_INK, font(text_px), anchor="mm")
    line = line.transpose(Image.Transpose.ROTATE_90)
    sheet.paste(line, (left, y - line.height // 2))
