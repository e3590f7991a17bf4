"""Marks pictures of bodies that are not plausible."""

import numpy as np
from PIL import Image, ImageDraw

from prohmr_jax.rendering.colors import WARNING, WHITE
from prohmr_jax.rendering.drawing import font

# Sizes, as shares of the longer side of the picture, with a least number of pixels.
_FRAME_SHARE, _LEAST_FRAME_PX = 1 / 160, 2
_TEXT_SHARE, _LEAST_TEXT_PX = 1 / 45, 11


def mark_with_warning(picture: np.ndarray, text: str) -> np.ndarray:
    """Returns a picture with a red frame, and white text on red along its upper edge.

    Args:
      picture: RGB uint8 [H, W, 3].
      text: what is wrong; words that do not fit into the width are left out, and dots
        stand for them.

    Returns:
      RGB uint8 [H, W, 3].
    """
    longest = max(picture.shape[:2])
    frame = max(_LEAST_FRAME_PX, round(_FRAME_SHARE * longest))
    letters = font(max(_LEAST_TEXT_PX, round(_TEXT_SHARE * longest)))
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    width, height = image.size
    draw.rectangle([0, 0, width - 1, height - 1], outline=WARNING, width=frame)
    words = text.split()
    room = width - 4 * frame
    while words and draw.textlength(text, letters) > room:
        words.pop()
        text = " ".join([*words, "..."])
    _, top, _, bottom = letters.getbbox("Ag")
    draw.rectangle([0, 0, width - 1, bottom - top + 3 * frame], fill=WARNING)
    draw.text((2 * frame, 1.5 * frame - top), text, WHITE, letters)
    return np.asarray(image)
