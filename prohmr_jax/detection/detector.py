"""Finds the people in a photo: MoveNet multipose, then thunder on each person.

`load_detector` and `detect_people` are what others call.
"""

import dataclasses
import functools

import jax
import numpy as np
from jaxtyping import Float, UInt8

from prohmr_jax.detection.duplicates import (
    keypoint_similarity,
    take,
    without_duplicates,
)
from prohmr_jax.detection.resampling import square
from prohmr_jax.detection.search import find_candidates
from prohmr_jax.detection.types import DetectedPerson, square_around, tight_box
from prohmr_jax.models.movenet.decoding import (
    PersonCandidates,
    decode_people,
    decode_single,
)
from prohmr_jax.models.movenet.network import MoveNet
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.movenet_files import load_multipose, load_thunder

# The network of one person looks at a square of this many pixels.
CROP_PX = 256
# So many people are proposed in one picture of the network of several.
_PROPOSALS = 24
# Positions are a quarter of an input pixel too far left and up, as mirrored photos
# show: COCO's labels are whole numbers, which were taken for corners of pixels.
_LABEL_SHIFT = 0.25
# The surest joints that count for a person's score, and the least score.
_SUREST_JOINTS = 8
MIN_SCORE = 0.35
# Height of the smallest person who is searched for everywhere; see `detect_people`.
SMALLEST_PERSON = 0.09
# A refined person so unlike its proposal is another one; a good proposal then stays.
_OTHER_PERSON = 0.2
_GOOD_PROPOSAL = 0.3
# A crop is taken again where the refined one is shifted or scaled by more than this.
_SAME_CROP = 0.1


@dataclasses.dataclass(frozen=True)
class Detector:
    """Holds the two networks with their weights, as compiled functions."""

    multipose: MoveNet
    multipose_variables: dict
    thunder: MoveNet
    thunder_variables: dict
    batch_size: int
    """Pictures that go through a network at once; fewer are filled up."""

    def look_at_people(self, images: UInt8[np.ndarray, "n h w 3"]) -> PersonCandidates:
        """Returns proposals [n, P] in pixels of the images; sides multiples of 32."""
        function = functools.partial(propose, self.multipose)
        return self.in_batches(function, self.multipose_variables, images)

    def look_at_person(self, crops: UInt8[np.ndarray, "n 256 256 3"]) -> Keypoints2D:
        """Returns keypoints [n, 17] of the person in each crop, in its pixels."""
        function = functools.partial(read_keypoints, self.thunder)
        return self.in_batches(function, self.thunder_variables, crops)

    def in_batches(self, function, variables: dict, *arrays: np.ndarray):
        """Returns a function of variables and arrays [n, ...], batch by batch.

        Args:
          function: returns a pytree of arrays with a leading axis, and is compiled for
            one size of batches.
          variables: of a network.
          *arrays: NumPy arrays of the same leading axis; the last batch is filled up.
        """
        size, number = self.batch_size, len(arrays[0])
        missing = -number % size
        padded = [
            np.pad(array, [(0, missing)] + [(0, 0)] * (array.ndim - 1))
            for array in arrays
        ]
        outputs = [
            function(variables, *(array[start : start + size] for array in padded))
            for start in range(0, number, size)
        ]
        join = lambda *parts: np.concatenate(parts)[:number]  # noqa: E731
        return jax.tree.map(join, *jax.device_get(outputs))


@functools.partial(jax.jit, static_argnums=0)
def propose(
    network: MoveNet, variables: dict, images: UInt8[jax.Array, "B h w 3"]
) -> PersonCandidates:
    """Returns multipose's proposals [B, 24], in pixels of the images."""
    people = decode_people(network.apply(variables, images).heads, _PROPOSALS)
    return people.replace(keypoints=_unshifted(people.keypoints))


@functools.partial(jax.jit, static_argnums=0)
def read_keypoints(
    network: MoveNet, variables: dict, images: UInt8[jax.Array, "B h w 3"]
) -> Keypoints2D:
    """Returns thunder's keypoints [B, 17], in pixels of the images."""
    return _unshifted(decode_single(network.apply(variables, images).heads))


def _unshifted(keypoints: Keypoints2D) -> Keypoints2D:
    return keypoints.replace(xy=keypoints.xy + _LABEL_SHIFT)


def load_detector(batch_size: int | None = None) -> Detector:
    """Returns the detector with the weights that come with the package.

    Args:
      batch_size: pictures that go through a network at once. By default 1 on a CPU,
        where more are not faster, and 8 elsewhere.

    Raises:
      InputError: the weights are missing or damaged.
    """
    if batch_size is None:
        batch_size = 1 if jax.default_backend() == "cpu" else 8
    multipose, several = load_multipose()
    thunder, single = load_thunder()
    return Detector(
        multipose, jax.device_put(several), thunder, jax.device_put(single), batch_size
    )


def detect_people(
    detector: Detector,
    image: UInt8[np.ndarray, "H W 3"],
    *,
    smallest: float = SMALLEST_PERSON,
    min_score: float = MIN_SCORE,
    known: Keypoints2D | None = None,
    search: bool = True,
) -> list[DetectedPerson]:
    """Returns the people in a photo, the surest first; none is an empty list.

    Args:
      detector: of `load_detector`.
      image: RGB, upright; any size. Grey pictures have three equal channels.
      smallest: height of the smallest person searched for everywhere, over the square
        root of the photo's area. Smaller ones are found where multipose suspects
        somebody, or a crowd. The time in large photos grows with one over its square;
        from about 0.16 on the whole photo is looked at once.
      min_score: people below it are left out.
      known: [m, 17], people of the frame before in a video. They are looked for where
        they were, also if multipose does not propose them again.
      search: whether others are searched for. Without it only people near the known
        ones are found, in less time.

    Returns:
      Of each person the keypoints of COCO_17 and a tight box in pixels of the photo,
      (0, 0) the centre of the first one, and a score. The confidence of a joint is the
      network's own probability that the joint is where it is said to be. It ranks
      joints well, but it is not calibrated: joints that are well in sight score 0.5 to
      0.9, guessed ones of hidden parts 0.1 to 0.4. The score of a person is the mean
      of its eight largest confidences: 0.5 to 0.9 for people in sight, seldom above
      0.35 where nobody is.

    Raises:
      ValueError: the image has another type or shape, or no pixels.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"an image of {image.dtype} {image.shape} is no uint8 RGB")
    if not image.size:
        raise ValueError(f"an image of {image.shape} has no pixels")
    is_somebody_known = known is not None and len(known.confidence) > 0
    if search or not is_somebody_known:
        candidates = find_candidates(detector.look_at_people, image, smallest)
        if is_somebody_known:
            candidates = _with_known(candidates, known)
    else:
        candidates = _sought(known)
    people = choose_among(detector, image, candidates, min_score)
    return [take(people, row) for row in range(len(people.score))]


def choose_among(
    detector: Detector,
    image: UInt8[np.ndarray, "H W 3"],
    candidates: DetectedPerson,
    min_score: float = MIN_SCORE,
) -> DetectedPerson:
    """Returns the people [m] among proposals [n], each once, the surest first.

    Args:
      detector: of `load_detector`.
      image: RGB, upright.
      candidates: proposals of `search.find_candidates`.
      min_score: people below it are left out.
    """
    if not len(candidates.score):
        return candidates
    people = refine_people(detector, image, candidates)
    people = take(people, people.score >= min_score)
    # Of two that refinement brought to one person the better one stays.
    people = take(people, without_duplicates(people))
    return take(people, np.argsort(-people.score, kind="stable"))


def _with_known(candidates: DetectedPerson, known: Keypoints2D) -> DetectedPerson:
    """Returns candidates [n] and those of the known people who are none of them."""
    people = _sought(known)
    joined = DetectedPerson(
        Keypoints2D(
            np.concatenate([candidates.keypoints.xy, people.keypoints.xy]),
            np.concatenate(
                [candidates.keypoints.confidence, people.keypoints.confidence]
            ),
        ),
        np.concatenate([candidates.box, people.box]),
        np.concatenate([candidates.score, people.score]),
    )
    return take(joined, without_duplicates(joined))


def _sought(known: Keypoints2D) -> DetectedPerson:
    """Returns known people [m] as candidates.

    Their score is 0, so that they are only kept where thunder sees them.
    """
    people = _person(known)
    return people.replace(score=np.zeros_like(people.score))


def refine_people(
    detector: Detector, image: np.ndarray, candidates: DetectedPerson
) -> DetectedPerson:
    """Returns people [n] as thunder sees them in crops around the candidates.

    Args:
      detector: of `load_detector`.
      image: RGB [H, W, 3], uint8, upright.
      candidates: [n] people of the photo. One who was found by a score of
        0.3 or more stays as it is where thunder finds another person instead.
    """
    squares = square_around(candidates.keypoints)
    people = _read_squares(detector, image, squares)
    # Small candidates are imprecise: then the crop was off, and is taken again.
    again = square_around(people.keypoints)
    side = squares[:, 2]
    shift = np.max(np.abs(again[:, :2] - squares[:, :2]), axis=-1) / side
    growth = np.abs(np.log(again[:, 2] / side))
    off = np.maximum(shift, growth) > _SAME_CROP
    sure = people.score >= _GOOD_PROPOSAL
    rows = np.flatnonzero(off & sure)
    if len(rows):
        second = _read_squares(detector, image, again[rows])
        better = second.score > people.score[rows]
        people = _replaced(people, rows[better], take(second, better))
    similar = keypoint_similarity(_tightened(candidates), people)
    lost = (similar < _OTHER_PERSON) & (candidates.score >= _GOOD_PROPOSAL)
    return _replaced(people, np.flatnonzero(lost), _tightened(take(candidates, lost)))


def _read_squares(
    detector: Detector, image: np.ndarray, squares: Float[np.ndarray, "n 3"]
) -> DetectedPerson:
    """Returns the people [n] in squares of the photo, image frame."""
    crops, placements = zip(
        *(square(image, row[:2], row[2], CROP_PX) for row in squares), strict=True
    )
    keypoints = detector.look_at_person(np.stack(crops))
    xy = [
        place.to_photo(xy) for place, xy in zip(placements, keypoints.xy, strict=True)
    ]
    return _person(Keypoints2D(np.stack(xy), keypoints.confidence))


def _person(keypoints: Keypoints2D) -> DetectedPerson:
    """Returns people [n] with their boxes and scores."""
    surest = np.sort(keypoints.confidence, axis=-1)[..., -_SUREST_JOINTS:]
    return DetectedPerson(keypoints, tight_box(keypoints), np.mean(surest, axis=-1))


def _tightened(people: DetectedPerson) -> DetectedPerson:
    return _person(people.keypoints)


def _replaced(
    people: DetectedPerson, rows: np.ndarray, others: DetectedPerson
) -> DetectedPerson:
    """Returns people [n] with others in some rows."""

    def put(array, values):
        array = array.copy()
        array[rows] = values
        return array

    return jax.tree.map(put, people, others)
