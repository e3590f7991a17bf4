"""Runs "evaluate_detector": measures the detector on labelled photos."""

import json
import logging
from pathlib import Path

import ml_collections
import numpy as np
from tqdm import tqdm

from prohmr_jax.detection.detector import choose_among, load_detector
from prohmr_jax.detection.search import find_candidates
from prohmr_jax.detection.types import DetectedPerson
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.bootstrap import bootstrap_mean
from prohmr_jax.evaluation.detection_errors import (
    FOUND,
    DetectionErrors,
    detection_errors,
    join_errors,
)
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.images import read_image
from prohmr_jax.files.person_labels import PictureLabels, read_person_labels
from prohmr_jax.modes.config_checks import require_least, require_words

_LOG = logging.getLogger(__name__)
# COCO's number of the category of people.
_PERSON = 1


def run(config: ml_collections.ConfigDict) -> dict[str, DetectionErrors]:
    """Prints and writes how well labelled people are detected, and returns it.

    Args:
      config: see `configs/evaluate_detector.py`.

    Returns:
      The errors of the first network alone ("multipose"), and of the detector
      ("multipose and thunder").

    Raises:
      InputError: the labels or photos cannot be used, photos are missing, nobody is
        labelled, or a key has no valid value.
    """
    require_words(config, {"photos": ("all", "present")})
    require_least(config, {"min_score": 0.0, "smallest_person": 0.01, "seed": 0})
    pictures = read_person_labels(config.labels)
    present = _present(config, pictures)
    detector = load_detector()
    errors = {"multipose": [], "multipose and thunder": []}
    results, num_read = [], 0
    for picture in tqdm(present, unit="photo"):
        try:
            image = read_image(Path(config.images) / picture.file_name)
        except InputError as error:
            if config.photos == "all":
                raise
            _LOG.warning("left out: %s", error)
            continue
        num_read += 1
        proposals = find_candidates(
            detector.look_at_people, image, config.smallest_person
        )
        # All scores are kept for the results, of which programs draw curves.
        people = choose_among(detector, image, proposals, min_score=0.0)
        errors["multipose"].append(detection_errors(picture, proposals, 0.0))
        errors["multipose and thunder"].append(
            detection_errors(picture, people, config.min_score)
        )
        results += _as_results(picture, people)
    if not num_read:
        raise InputError(config.images, "has no photo that can be read")
    joined = {name: join_errors(parts) for name, parts in errors.items()}
    if not len(joined["multipose"].similarity):
        raise InputError(config.images, "has no readable photo of a labelled person")
    text = _report(config, joined, num_read, len(pictures))
    print(text)
    folder, content = Path(config.output), json.dumps(results)
    write_atomically(folder / "report.md", lambda s: s.write(f"{text}\n".encode()))
    write_atomically(folder / "results.json", lambda s: s.write(content.encode()))
    _LOG.info("%s holds %d people", folder / "results.json", len(results))
    return joined


def _present(config, pictures: tuple[PictureLabels, ...]) -> list[PictureLabels]:
    """Returns the pictures whose photo is there, in which somebody is labelled."""
    if not any(len(picture.area) for picture in pictures):
        raise InputError(config.labels, "labels the joints of nobody")
    folder = Path(config.images)
    present = [p for p in pictures if (folder / p.file_name).is_file()]
    absent = len(pictures) - len(present)
    if absent and config.photos == "all":
        what = (
            f"lacks {absent} of {len(pictures)} photos that {config.labels} names; "
            "--config.photos=present measures the others"
        )
        raise InputError(folder, what)
    if not any(len(picture.area) for picture in present):
        raise InputError(
            folder, f"has no photo of a person whom {config.labels} labels"
        )
    return present


def _as_results(picture: PictureLabels, people: DetectedPerson) -> list[dict]:
    """Returns people as COCO's results list them."""
    joints = np.concatenate(
        [people.keypoints.xy, people.keypoints.confidence[..., None]], axis=-1
    )
    return [
        {
            "image_id": picture.image_id,
            "category_id": _PERSON,
            "keypoints": [round(float(v), 3) for v in person.ravel()],
            "score": round(float(score), 4),
        }
        for person, score in zip(joints, people.score, strict=True)
    ]


def _report(config, errors: dict[str, DetectionErrors], present: int, listed: int):
    first = next(iter(errors.values()))
    rows = []
    for name, error in errors.items():
        mean = bootstrap_mean(error.similarity, seed=config.seed)
        similarity = error.similarity[~error.missed]
        rows.append(
            [
                name,
                f"{mean.mean:.3f} ({mean.low:.3f}-{mean.high:.3f})",
                f"{np.sum(~error.missed)} of {len(error.missed)}",
                f"{similarity.mean():.3f}" if len(similarity) else "-",
                f"{error.num_unlabelled}",
            ]
        )
    table = markdown.table(
        ["detector", "mean OKS (95 % interval)", f"found (OKS >= {FOUND:g})",
         "mean OKS of these", "detections of nobody labelled"],
        rows,
    )  # fmt: skip
    return (
        f"{len(first.missed)} labelled people in {present} of the {listed} photos that "
        f"{config.labels} names. A person who is not found counts as 0; detections "
        f"have a score of {config.min_score:g} or more.\n\n{table}"
    )
