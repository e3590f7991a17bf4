"""Looks for people in a photo at several sizes, with one network of fixed input.

The whole photo is looked at first, small. Then larger versions are looked at in
overlapping tiles: as a whole as long as the smallest person asked for would be too
small to be seen, and beyond that where somebody small, or a crowd, was seen.
"""

import dataclasses
import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Int, UInt8

from prohmr_jax.detection.duplicates import take, without_duplicates
from prohmr_jax.detection.resampling import Placement, cut, resized
from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.models.movenet.decoding import PersonCandidates
from prohmr_jax.structs import Keypoints2D

# Sides of the network's input: the long one of the first look, and of tiles.
TILE = 384
# The short side of the first look is padded to one of these, so few shapes compile.
_SHORT_SIDES = (192, 256, 288, 384)
# Each level is this much larger than the one before.
_LEVEL_STEP = 1.75
# The largest level over the photo's own size.
_MAX_ENLARGEMENT = 1.25
# Tiles overlap at least by so much; whoever is larger was seen at the level before.
_OVERLAP = 160
# Among so many people the network overlooks others, unless they are this high.
_CROWD = 6
_CROWD_HEIGHT = 128.0
# Someone of this height, in pixels of a level, is seen in almost any surroundings; of
# half of it, in most. Whoever seems less high than the second is looked at again.
_LEAST_HEIGHT = 45.0
_GOOD_HEIGHT = 80.0
# Someone more than this high is better seen in a smaller picture, and somebody may be
# where no score is as good as this.
_LARGE_HEIGHT = 200.0
_GOOD_SCORE = 0.3
# People less high than this in the photo are not searched for on purpose.
_LEAST_PHOTO_HEIGHT = 96.0
# Proposals of a score below the first are left; one above the second that is small is
# a reason to look again, larger.
_MIN_SCORE = 0.1
_MIN_HINT_SCORE = 0.05
# Boxes that come so close to the edge of a tile, in pixels, are cut by it.
_EDGE = 4.0

Look = Callable[[UInt8[np.ndarray, "B h w 3"]], PersonCandidates]


@dataclasses.dataclass(frozen=True)
class _Level:
    """One size of the photo."""

    long_side: float
    factor: float
    """Size over the photo's."""


@dataclasses.dataclass(frozen=True)
class _Seen:
    """What was seen at one level; image frame."""

    people: DetectedPerson
    """[n], those who score enough; the score is multipose's."""
    hints: Float[np.ndarray, "m 2"]
    """Where to look again, larger: centres of small boxes, also of some who do not
    score enough; image frame."""
    largest: float
    """The longest side of a box, in pixels of the level."""


def find_candidates(
    look: Look, image: UInt8[np.ndarray, "H W 3"], smallest: float
) -> DetectedPerson:
    """Returns proposals [n], at most one for each person where that can be told.

    Args:
      look: runs multipose on pictures of one size.
      image: RGB.
      smallest: height of the smallest person that is searched for everywhere, over the
        square root of the photo's area.
    """
    levels = _levels(image)
    wanted = smallest * math.sqrt(image.shape[0] * image.shape[1])
    wanted = max(wanted, _LEAST_PHOTO_HEIGHT)
    seen = _look_at_all(look, image, levels[0].long_side)
    everybody = [seen.people]
    best = np.max(seen.people.score, initial=0.0)
    if best < _GOOD_SCORE or seen.largest > _LARGE_HEIGHT:
        everybody.append(_look_at_all(look, image, TILE / _LEVEL_STEP).people)
    for before, level in zip(levels, levels[1:], strict=False):
        starts = _tile_starts(image, level)
        everywhere = wanted * before.factor < _LEAST_HEIGHT
        if not everywhere and not _is_crowd(seen.people, before):
            starts = _tiles_around(seen.hints * level.factor, starts)
        if not len(starts):
            break
        seen = _look_at_tiles(look, image, level, starts)
        everybody.append(seen.people)
    people = _joined(everybody)
    return take(people, without_duplicates(people))


def _is_crowd(people: DetectedPerson, level: _Level) -> bool:
    """Returns whether many people were seen at a level, most of them not large."""
    box = people.box[without_duplicates(people)]
    height = np.max(box[:, 2:] - box[:, :2], axis=-1) * level.factor
    return len(height) >= _CROWD and float(np.median(height)) < _CROWD_HEIGHT


def _levels(image) -> list[_Level]:
    """Returns the sizes at which the photo is looked at, the smallest first."""
    side = max(image.shape[:2])
    long_sides = [float(TILE)]
    while (larger := long_sides[-1] * _LEVEL_STEP) <= _MAX_ENLARGEMENT * side:
        long_sides.append(larger)
    return [_Level(long_side, long_side / side) for long_side in long_sides]


def _look_at_all(look: Look, image, long_side: float) -> _Seen:
    """Looks at the whole photo, which is made no larger than a tile."""
    small, placement = resized(image, long_side)
    # The shape for the network does not depend on the size of the picture in it.
    short = round(min(small.shape[:2]) * TILE / max(small.shape[:2]))
    short = next(side for side in _SHORT_SIDES if side >= short)
    size = (short, TILE) if small.shape[1] >= small.shape[0] else (TILE, short)
    candidates = look(cut(small, 0, 0, size)[None])
    return _to_photo(candidates, 0, placement, np.ones_like(candidates.score[0], bool))


def _look_at_tiles(look: Look, image, level: _Level, starts) -> _Seen:
    """Looks at tiles of one level; people cut by the edge of a tile are left out."""
    large, placement = resized(image, level.long_side)
    tiles = np.stack([cut(large, x, y, (TILE, TILE)) for x, y in starts])
    candidates = look(tiles)
    limit = np.array(large.shape[1::-1])
    seen = []
    for row, start in enumerate(starts):
        box = candidates.box[row]
        cut_low = (box[:, :2] < _EDGE) & (start > 0)
        cut_high = (box[:, 2:] > TILE - 1 - _EDGE) & (start + TILE < limit)
        whole = ~np.any(cut_low | cut_high, axis=-1)
        inner = Placement(
            placement.start + placement.scale * start, placement.scale
        )  # of the tile in the photo
        seen.append(_to_photo(candidates, row, inner, whole))
    return _Seen(
        _joined([one.people for one in seen]),
        np.concatenate([one.hints for one in seen]),
        max(one.largest for one in seen),
    )


def _to_photo(candidates, row: int, placement: Placement, usable) -> _Seen:
    """Returns the usable candidates of one piece that score enough, image frame."""
    score = np.where(usable, candidates.score[row], 0.0)
    box = candidates.box[row]
    height = np.max(box[:, 2:] - box[:, :2], axis=-1)
    rows = np.flatnonzero(score > _MIN_SCORE)
    hints = (score > _MIN_HINT_SCORE) & (height < _GOOD_HEIGHT)
    people = DetectedPerson(
        Keypoints2D(
            placement.to_photo(candidates.keypoints.xy[row, rows]),
            candidates.keypoints.confidence[row, rows],
        ),
        placement.to_photo(box[rows].reshape(-1, 2, 2)).reshape(-1, 4),
        score[rows],
    )
    return _Seen(
        people,
        placement.to_photo((box[hints, :2] + box[hints, 2:]) / 2.0),
        np.max(height[rows], initial=0.0),
    )


def _tile_starts(image, level: _Level) -> Int[np.ndarray, "n 2"]:
    """Returns (x, y) of tiles that cover a level, evenly spaced."""
    columns, rows = (_starts(round(side * level.factor)) for side in image.shape[1::-1])
    return np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2)


def _starts(length: int) -> Int[np.ndarray, " n"]:
    """Returns where tiles start that cover a length, with the least overlap."""
    rest = max(length - TILE, 0)
    count = 1 + int(np.ceil(rest / (TILE - _OVERLAP)))
    return np.round(np.linspace(0, rest, count)).astype(int)


def _tiles_around(
    centers: Float[np.ndarray, "n 2"], starts: Int[np.ndarray, "m 2"]
) -> Int[np.ndarray, "k 2"]:
    """Returns the tiles in which one of the centres is nearest to the middle."""
    away = np.abs(centers[:, None] - (starts + TILE / 2.0)).max(axis=-1)
    return starts[np.unique(np.argmin(away, axis=1))]


def _joined(people: list[DetectedPerson]) -> DetectedPerson:
    return DetectedPerson(
        Keypoints2D(
            np.concatenate([one.keypoints.xy for one in people]),
            np.concatenate([one.keypoints.confidence for one in people]),
        ),
        np.concatenate([one.box for one in people]),
        np.concatenate([one.score for one in people]),
    )
