"""Turns MoveNet's dense predictions into keypoints of one person or of several.

Both decoders are those of the published graphs: a person's centre is a peak of the
centre map; from there, vectors say roughly where the joints are; near that place the
best cell of each joint's heatmap is taken, and refined by an offset.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax.models.movenet.network import CELL, HeadMaps
from prohmr_jax.structs import Keypoints2D

# A single person is looked for near the middle: scores are divided by a distance in
# cells plus this, that of the centre to the middle, those of joints to their guess.
_NEARNESS = 1.8
# Of several people: the variance of the window around the guess of a joint, over the
# shorter side of the map, in cells.
_WINDOW = 0.3
# Centres are the highest of this many cells in both directions.
_PEAK_WINDOW = 5
_PEAK_TOLERANCE = 1e-6
# Joints below this score do not count in a person's score.
_MIN_JOINT_SCORE = 0.127
# The published graph returns this many people.
MAX_PEOPLE = 6


@struct.dataclass
class PersonCandidates:
    """Holds the people that one pass of multipose proposes, best centre first.

    There always are P of them; those of a low score are no people.
    """

    keypoints: Keypoints2D
    """[*b, P, 17], COCO_17; pixels of the input, (0, 0) the centre of the first one.
    The confidence is the heatmap's value where the joint was found, in [0, 1], less
    the farther this is from the nearest of all candidates' first guesses."""
    box: Float[Array, "*b P 4"]
    """x and y of the left upper corner, then of the right lower one; same frame."""
    score: Float[Array, "*b P"]
    """Score of the centre times the mean confidence of the joints, in [0, 1]."""


def decode_single(heads: HeadMaps) -> Keypoints2D:
    """Returns the keypoints [*b, 17] of the person nearest to the middle.

    Args:
      heads: of `thunder`.

    Returns:
      COCO_17, in pixels of the input, (0, 0) the centre of its first pixel. The
      confidence is the heatmap's value where the joint was found, in [0, 1].
    """
    cells = _cells(heads.center)
    middle = jnp.asarray(heads.center.shape[-2:], jnp.float32) // 2
    nearness = 1.0 / (_distance(cells, middle) + _NEARNESS)
    center = jnp.argmax(_flat(jax.nn.sigmoid(heads.center)) * nearness, axis=-1)
    guess = cells[center][..., None, :] + _pick(_flat(heads.joint_vectors, 2), center)

    heatmap = jax.nn.sigmoid(_flat(heads.heatmap, 1))
    # [*b, cells, joints]
    distance = _distance(cells[:, None], guess[..., None, :, :])
    best = jnp.argmax(heatmap / (distance + _NEARNESS), axis=-2)
    offset = _pick_joints(_flat(heads.joint_offsets, 2), best)
    confidence = jnp.take_along_axis(heatmap, best[..., None, :], axis=-2)[..., 0, :]
    return Keypoints2D(_pixels(cells[best] + offset), confidence)


def decode_people(heads: HeadMaps, max_people: int = MAX_PEOPLE) -> PersonCandidates:
    """Returns the people at the highest peaks of the centre map.

    Args:
      heads: of `multipose`.
      max_people: P, how many are returned.
    """
    height, width = heads.center.shape[-2:]
    cells = _cells(heads.center)
    peaks = _peaks(jax.nn.sigmoid(heads.center))
    center_score, center = jax.lax.top_k(_flat(peaks), max_people)
    at_center = lambda maps, axes: _pick_people(_flat(maps, axes), center)  # noqa: E731
    origin = cells[center]  # [*b, P, 2]

    middle = origin + at_center(heads.box_offset, 1)
    size = jnp.maximum(at_center(heads.box_size, 1), 0.0)
    limit = jnp.asarray((height, width), jnp.float32)
    low = jnp.clip(middle - size / 2.0, 0.0, limit)
    high = jnp.clip(middle + size / 2.0, 0.0, limit)

    guess = origin[..., None, :] + at_center(heads.joint_vectors, 2)  # [*b, P, 17, 2]
    # A joint is looked for in the box, and near the guess; rows and columns apart, so
    # that the exponentials are few.
    windows = [
        _window(number, guess[..., axis], low[..., None, axis], high[..., None, axis])
        for axis, number in enumerate((height, width))
    ]
    variance = _WINDOW * min(height, width)
    rows, columns = (
        jnp.exp(-jnp.square(distance) / variance) * inside
        for distance, inside in windows
    )
    heatmap = jnp.moveaxis(jax.nn.sigmoid(heads.heatmap), -1, -3)[..., None, :, :, :]
    values = heatmap * rows[..., :, None] * columns[..., None, :]
    values = values.reshape(*values.shape[:-2], height * width)
    best = jnp.argmax(values, axis=-1)  # [*b, P, 17]
    confidence = _confidence(heatmap[..., 0, :, :, :], rows, columns, best)
    offset = _pick_joints(_flat(heads.joint_offsets, 2)[..., None, :, :, :], best)

    counts = confidence > _MIN_JOINT_SCORE
    total = jnp.sum(jnp.where(counts, confidence, 0.0), axis=-1)
    return PersonCandidates(
        keypoints=Keypoints2D(_pixels(cells[best] + offset), confidence),
        box=jnp.concatenate([_pixels(low), _pixels(high)], axis=-1),
        score=center_score * total / jnp.maximum(jnp.sum(counts, axis=-1), 1),
    )


def _confidence(
    heatmap: Float[Array, "*b J h w"],
    rows: Float[Array, "*b P J h"],
    columns: Float[Array, "*b P J w"],
    best: Int[Array, "*b P J"],
) -> Float[Array, "*b P J"]:
    """Returns the heatmap's values in cells, weighted by the best window of anyone.

    The published graph takes the best of all candidates' windows, so that a joint
    which two candidates share gets one score.
    """
    width = heatmap.shape[-1]
    value = jnp.take_along_axis(
        heatmap.reshape(*heatmap.shape[:-2], -1)[..., None, :, :],
        best[..., None],
        axis=-1,
    )[..., 0]

    def weights(windows, position):  # [*b, P of windows, J, P of positions]
        position = jnp.moveaxis(position, -2, -1)[..., None, :, :]
        return jnp.take_along_axis(windows, position, axis=-1)

    weight = weights(rows, best // width) * weights(columns, best % width)
    return value * jnp.moveaxis(jnp.max(weight, axis=-3), -1, -2)


def _cells(center: Float[Array, "*b h w"]) -> Float[Array, "hw 2"]:
    """Returns (y, x) of every cell."""
    height, width = center.shape[-2:]
    y, x = jnp.meshgrid(jnp.arange(height), jnp.arange(width), indexing="ij")
    return jnp.stack([y, x], axis=-1).reshape(-1, 2).astype(jnp.float32)


def _flat(maps: Float[Array, "..."], axes: int = 0) -> Float[Array, "..."]:
    """Returns maps with one axis of cells before their last `axes`."""
    end = maps.ndim - axes
    return maps.reshape(*maps.shape[: end - 2], -1, *maps.shape[end:])


def _distance(a: Float[Array, "*b 2"], b: Float[Array, "*c 2"]) -> Float[Array, "*d"]:
    return jnp.sqrt(jnp.sum(jnp.square(a - b), axis=-1))


def _pick(
    maps: Float[Array, "*b hw J 2"], cell: Int[Array, "*b"]
) -> Float[Array, "*b J 2"]:
    """Returns what stands in one cell."""
    return jnp.take_along_axis(maps, cell[..., None, None, None], axis=-3)[..., 0, :, :]


def _pick_people(
    maps: Float[Array, "..."], cells: Int[Array, "*b P"]
) -> Float[Array, "..."]:
    """Returns what stands in the cell of each person."""
    axis = cells.ndim - 1
    indices = cells.reshape(*cells.shape, *(1,) * (maps.ndim - cells.ndim))
    return jnp.take_along_axis(maps, indices, axis=axis)


def _pick_joints(
    maps: Float[Array, "*b hw J 2"], cells: Int[Array, "*c J"]
) -> Float[Array, "*c J 2"]:
    """Returns what stands in the cell of each joint, of the joint's own map."""
    indices = cells[..., None, :, None]
    return jnp.take_along_axis(maps, indices, axis=-3)[..., 0, :, :]


def _peaks(scores: Float[Array, "*b h w"]) -> Float[Array, "*b h w"]:
    """Returns the scores where they are the highest of their neighbourhood, else 0."""
    window = (_PEAK_WINDOW, _PEAK_WINDOW)
    images = scores.reshape(-1, *scores.shape[-2:], 1)
    highest = nn.max_pool(images, window, padding="SAME").reshape(scores.shape)
    return jnp.where(highest - scores < _PEAK_TOLERANCE, scores, 0.0)


def _window(number, guess, low, high):
    """Returns distances of cells 0 ... number - 1 to a guess, and which are inside."""
    cells = jnp.arange(number, dtype=jnp.float32)
    inside = (cells >= low[..., None]) & (cells < high[..., None])
    return cells - guess[..., None], inside


def _pixels(yx: Float[Array, "*b 2"]) -> Float[Array, "*b 2"]:
    """Returns (x, y) in pixels; a cell's (0, 0) is the corner of its first pixel."""
    return CELL * yx[..., ::-1] - 0.5
