"""Draws the colour bar that explains the colours of the spread on a sheet.

matplotlib's colour bar belongs to its figures, whose fonts and margins are not those of
the sheets.
"""

import numpy as np
from PIL import Image, ImageDraw

from prohmr_jax.rendering.colors import FAINT_INK, INK, WHITE, spread_color
from prohmr_jax.rendering.drawing import font

# Round numbers whose halves are short too, because the middle of the bar has a label.
_ROUND = (1, 1.2, 1.6, 2, 3, 4, 5, 6, 8, 10)


def spread_scale(spread: np.ndarray) -> float:
    """Returns the upper end of the colour scale, metres, a round number.

    It is at least 1 mm, and covers all but the highest hundredth of the values, so that
    one fingertip does not decide the colours of the whole body.

    Args:
      spread: spread of the vertices, [V], metres.
    """
    high = max(float(np.quantile(spread, 0.99)) * (1 - 1e-9), 1e-3)
    power = 10.0 ** np.floor(np.log10(high))
    return float(power * next(f for f in _ROUND if f * power >= high))


def color_bar(largest: float, width: int, text_px: int) -> np.ndarray:
    """Returns a labelled bar on white, RGB uint8 [h, width, 3].

    Args:
      largest: upper end of the scale, metres; labels are in cm from 10 cm on, and in mm
        below.
      width: width of the bar with its labels, pixels.
      text_px: height of the labels, pixels.
    """
    factor, unit = (100, "cm") if largest >= 0.1 - 1e-9 else (1000, "mm")
    bar_height, tick = round(0.7 * text_px), round(0.3 * text_px)
    label_font = font(text_px)
    labels = [f"{share * largest * factor:g}" for share in (0, 0.5, 1)]
    labels[-1] = f"{labels[-1]} {unit}"
    # The outer labels are centred below the ends of the bar.
    side = round(label_font.getlength(labels[-1]) / 2) + 2
    bar = spread_color(np.linspace(0, 1, width - 2 * side))
    bar = np.broadcast_to(np.rint(255 * bar).astype(np.uint8), (bar_height, *bar.shape))
    panel = Image.new("RGB", (width, bar_height + tick + 2 * text_px), WHITE)
    panel.paste(Image.fromarray(np.ascontiguousarray(bar)), (side, 0))
    draw = ImageDraw.Draw(panel)
    for share, label in zip((0, 0.5, 1), labels, strict=True):
        x = side + share * (width - 2 * side - 1)
        draw.line([x, bar_height, x, bar_height + tick], FAINT_INK)
        y = bar_height + tick + round(1.2 * text_px)
        draw.text((x, y), label, INK, label_font, anchor="ms")
    return np.asarray(panel)
