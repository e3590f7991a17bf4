"""Compares detected people with people labelled by hand, by COCO's similarity."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float
from scipy.optimize import linear_sum_assignment

from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.files.person_labels import PictureLabels
from prohmr_jax.geometry.keypoint_similarity import object_similarity

FOUND = 0.5
"""Least similarity of a detection that counts as the labelled person."""


@dataclasses.dataclass(frozen=True)
class DetectionErrors:
    """Holds how well the people of one photo, or of several, were detected."""

    similarity: Float[np.ndarray, " n"]
    """Object keypoint similarity of each labelled person to the detection that is
    assigned to them, in [0, 1]; 0 where there is none."""
    missed: Bool[np.ndarray, " n"]
    """Whether no detection counts as the labelled person."""
    num_unlabelled: int
    """Number of detections that are nobody with a label, and lie in no crowd."""


def detection_errors(
    labels: PictureLabels, people: DetectedPerson, least_score: float
) -> DetectionErrors:
    """Returns how well the people of one photo were detected.

    Each labelled person is assigned at most one detection and each detection at most
    one person, so that the sum of similarities is largest (COCO's own evaluation
    assigns greedily, the surest detection first). All labelled joints count, whatever
    the detector's confidence. The similarity is that of Ruggero Ronchi and Perona
    (Benchmarking and Error Diagnosis in Multi-Instance Pose Estimation, ICCV 2017,
    Eq. 1), with COCO's constants.

    Args:
      labels: the labels of the photo.
      people: [m], detections in pixels of the photo.
      least_score: detections below it do not count.
    """
    kept = np.asarray(people.score) >= least_score
    xy, boxes = np.asarray(people.keypoints.xy)[kept], np.asarray(people.box)[kept]
    similarity = object_similarity(
        labels.xy[:, None],
        xy[None],
        labels.labelled[:, None],
        labels.area[:, None],
        fewest=1,
    )
    rows, columns = linear_sum_assignment(-similarity)
    assigned = np.zeros(len(labels.area))
    assigned[rows] = similarity[rows, columns]
    nobody = np.ones(len(xy), bool)
    nobody[columns[similarity[rows, columns] >= FOUND]] = False
    middles = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2.0
    low, high = labels.ignored_boxes[:, :2], labels.ignored_boxes[:, 2:]
    ignored = np.all((middles >= low) & (middles <= high), axis=-1).any(axis=1)
    return DetectionErrors(assigned, assigned < FOUND, int(np.sum(nobody & ~ignored)))


def join_errors(errors: list[DetectionErrors]) -> DetectionErrors:
    """Returns the errors of several photos as those of one."""
    return DetectionErrors(
        np.concatenate([e.similarity for e in errors]),
        np.concatenate([e.missed for e in errors]),
        sum(e.num_unlabelled for e in errors),
    )
