"""Measures where a detector puts the joints of rendered people, and how it errs."""

import functools
import logging
import os
from collections.abc import Sequence

import cv2
import jax
import numpy as np
import tqdm
from ml_collections import ConfigDict

from prohmr_jax.data.prefetch import map_in_processes
from prohmr_jax.detection.detector import (
    MIN_SCORE,
    Detector,
    load_detector,
    refine_people,
)
from prohmr_jax.detection.picture_features import picture_features
from prohmr_jax.detection.types import DetectedPerson, tight_box
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_files import read_body
from prohmr_jax.poses.bank import read_held_out_clips, read_pose_bank
from prohmr_jax.priors.detector_errors import save_detector_errors
from prohmr_jax.skeleton import COCO_17, JOINTS_44
from prohmr_jax.structs import Keypoints2D, PictureFeatures
from prohmr_jax.synthetic.body_map import map_body
from prohmr_jax.synthetic.detector_views import (
    RenderedViews,
    ViewSettings,
    render_views,
)
from prohmr_jax.synthetic.error_report import error_report
from prohmr_jax.synthetic.fit_detector_errors import fit_detector_errors
from prohmr_jax.synthetic.measured_views import (
    MeasuredViews,
    chunk_path,
    has_features,
    read_chunks,
    write_chunk,
)
from prohmr_jax.synthetic.render_pictures import Picture
from prohmr_jax.synthetic.view_geometry import reported, view_geometry

_LOG = logging.getLogger(__name__)
# One chunk in so many has poses of the clips that are held out.
_HELD_OUT_EVERY = 10
_COCO_IN_44 = np.array(COCO_17.positions_in(JOINTS_44))
# Standard deviation of the joints by which a person is proposed to the second network,
# over the extent of the joints.
_PROPOSAL_NOISE = 0.02


def run(config: ConfigDict) -> None:
    """Renders and detects the chunks that are missing, and fits the model of errors.

    Args:
      config: settings, as in `configs/measure_detector.py`.

    Raises:
      InputError: a file that the config names cannot be used.
    """
    settings = ViewSettings(config.seed, config.people, config.views, config.image_size)
    per_chunk = settings.people * settings.views
    chunks = range(-(-config.num_views // per_chunk))
    is_there = has_features if config.features else os.path.exists
    missing = [n for n in chunks if not is_there(chunk_path(config.output, n))]
    # The file of held-out clips would otherwise be found missing after many chunks.
    for held_out in {_is_held_out(chunk) for chunk in missing}:
        _poses(config.pose_bank, config.held_out, held_out)
    measure = functools.partial(
        _measure_chunk,
        config.output,
        settings,
        config.body,
        config.pose_bank,
        config.held_out,
        config.features,
    )
    progress = tqdm.tqdm(
        total=len(chunks), initial=len(chunks) - len(missing), unit="chunk"
    )
    for _ in map_in_processes(measure, missing, config.workers):
        progress.update()
    progress.close()
    if not config.model:
        return
    body = read_body(config.body)
    training, held_out = (
        reported(view_geometry(body, views), MIN_SCORE)
        for views in read_chunks(config.output, settings)
    )
    parts = fit_detector_errors(training)
    save_detector_errors(config.model, parts)
    _LOG.info("%s holds the model of %d views", config.model, len(training.angle))
    if config.report:
        text = error_report(parts, training, held_out)
        write_atomically(config.report, lambda stream: stream.write(text.encode()))
        _LOG.info("%s holds the errors", config.report)


def _measure_chunk(
    output: str,
    settings: ViewSettings,
    body_path: str,
    bank: str,
    held_out_clips: str,
    with_features: bool,
    chunk: int,
) -> None:
    """Renders the views of a chunk, detects the people in them, and writes the file."""
    body, body_map, detector = _tools(body_path)
    held_out = _is_held_out(chunk)
    poses = _poses(bank, held_out_clips, held_out)
    rendered = render_views(body, body_map, poses, settings, chunk)
    images = [_decoded(picture) for picture in rendered.pictures]
    views = _detected(detector, rendered, images, (settings.seed, chunk))
    features = _features(detector, images, views.detected) if with_features else None
    write_chunk(chunk_path(output, chunk), views, settings, held_out, features)


def _is_held_out(chunk: int) -> bool:
    """Returns whether a chunk has poses that no training sees."""
    return chunk % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1


@functools.cache
def _tools(body_path: str):
    body = read_body(body_path)
    return body, map_body(body), load_detector()


@functools.cache
def _poses(bank: str, clips: str, held_out: bool) -> np.ndarray:
    if not held_out:
        return read_pose_bank(bank).axis_angle
    return np.concatenate([clip.axis_angle for clip in read_held_out_clips(clips)])


def _detected(
    detector: Detector,
    rendered: RenderedViews,
    images: Sequence[np.ndarray],
    seed: tuple[int, ...],
) -> MeasuredViews:
    """Returns what the detector finds in views, each of which shows one person."""
    rng = np.random.default_rng(seed)
    covered = rendered.out_of_sight(_COCO_IN_44)
    people = []
    for image, xy, hidden in zip(
        images, rendered.xy[:, _COCO_IN_44], covered, strict=True
    ):
        extent = np.ptp(xy, axis=0).max()
        noisy = xy + rng.normal(scale=_PROPOSAL_NOISE * extent, size=xy.shape)
        proposal = Keypoints2D(noisy[None], np.where(hidden, 0.0, 1.0)[None])
        # A score of 0 says that the proposal is never to be kept.
        candidate = DetectedPerson(proposal, tight_box(proposal), np.zeros(1))
        people.append(refine_people(detector, image, candidate).keypoints)
    detected = Keypoints2D(
        np.concatenate([person.xy for person in people]),
        np.concatenate([person.confidence for person in people]),
    )
    return MeasuredViews(rendered.true, detected, covered)


def _decoded(picture: Picture) -> np.ndarray:
    """Returns a rendered picture, RGB uint8 [H, W, 3]."""
    return cv2.imdecode(np.frombuffer(picture.file, np.uint8), cv2.IMREAD_COLOR_RGB)


def _features(
    detector: Detector, images: Sequence[np.ndarray], detected: Keypoints2D
) -> PictureFeatures:
    """Returns what the detector's network sees in each picture, around its person."""
    people = [
        picture_features(
            detector, image, jax.tree.map(lambda a, n=n: a[n : n + 1], detected)
        )
        for n, image in enumerate(images)
    ]
    return jax.tree.map(lambda *parts: np.concatenate(parts), *people)
