"""Tells focal lengths that no camera has, from the field of view that they mean.

The readers of calibrations and of people call it, so that a focal length in millimetres
is not taken for one in pixels.
"""

import math

MIN_VIEW_DEG, MAX_VIEW_DEG = 2.0, 120.0
"""Fields of view of the longest lenses and of the widest ones without distortion, along
the longer side of the picture, degrees."""
# Width of the sensor that focal lengths in millimetres usually refer to.
_FULL_FRAME_MM = 36.0
_LONGEST_MM = 1200.0
# A focal length below is one in shares of the picture's side.
_LARGEST_SHARE = 5.0


def view_angle(focal_length_px: float, side_px: float) -> float:
    """Returns the field of view along a side of a picture, degrees.

    Args:
      focal_length_px: focal length, pixels, positive.
      side_px: length of the side, pixels.
    """
    return math.degrees(2.0 * math.atan(side_px / 2.0 / focal_length_px))


def impossible_view(
    focal_length_px: float, side_px: float, max_deg: float = MAX_VIEW_DEG
) -> str:
    """Returns why no camera has a focal length, as the end of a sentence, or "".

    The text continues "a focal length of 29 pixels ...", and gives the values that are
    possible and the one that is likely to be meant.

    Args:
      focal_length_px: focal length, pixels, positive.
      side_px: longer side of the picture, pixels, positive.
      max_deg: largest field of view that is accepted, degrees.
    """
    angle = view_angle(focal_length_px, side_px)
    if MIN_VIEW_DEG <= angle <= max_deg:
        return ""
    shortest, longest = (
        side_px / 2.0 / math.tan(math.radians(degrees) / 2.0)
        for degrees in (max_deg, MIN_VIEW_DEG)
    )
    meant = ""
    if angle > max_deg and focal_length_px < _LARGEST_SHARE:
        meant = f"; {focal_length_px:g} sides of the picture are " + (
            f"{focal_length_px * side_px:.0f} pixels"
        )
    elif angle > max_deg and focal_length_px < _LONGEST_MM:
        meant = f"; {focal_length_px:g} mm on a full-frame sensor (36 mm) are " + (
            f"{focal_length_px / _FULL_FRAME_MM * side_px:.0f} pixels"
        )
    return (
        f"means a field of view of {angle:.3g} degrees in a picture of {side_px:.0f} "
        f"pixels, where {shortest:.0f} to {longest:.0f} pixels are possible{meant}"
    )
