"""Runs the mode "video": follows the people of a video and reconstructs all frames.

For each person N it writes `personN.npz`, a table with a row for each frame
(docs/video.md), and files of movement; for the whole run `video.mp4`. Finished parts
are kept in `OUTPUT/parts`, from where a run that was interrupted continues.
"""

import contextlib
import functools
import json
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ml_collections
from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.sources import files_fingerprint
from prohmr_jax.bulk_fitting.track_fit import MEMORY, TrackFitSettings, TrackFitter
from prohmr_jax.bulk_fitting.track_start import TrackPredictor, VideoCamera
from prohmr_jax.bulk_fitting.tracks import FITTED, read_tracks
from prohmr_jax.bulk_fitting.video_detections import VideoDetector
from prohmr_jax.bulk_fitting.video_drawing import VideoPerson, video_pictures
from prohmr_jax.bulk_fitting.video_table import write_person
from prohmr_jax.detection.chosen_people import require_people_words
from prohmr_jax.detection.detector import load_detector
from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.video_writer import best_codec, write_video
from prohmr_jax.files.videos import Video, open_video
from prohmr_jax.geometry.field_of_view import impossible_view
from prohmr_jax.inference.reconstruction import Reconstructor, load_reconstructor
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.modes.export import FORMATS, export_tracks
from prohmr_jax.modes.plausible_limits import read_limits
from prohmr_jax.solver.problem import Settings
from prohmr_jax.tracking.follow import TrackingSettings, follow_people
from prohmr_jax.tracking.person_tracks import PersonTrack, chosen_tracks

VIDEO, PARTS = "video.mp4", "parts"
# What the video was drawn with, in the folder of parts.
_DRAWN = "drawn.json"
CODECS = ("", "h264", "mp4v")
_LEAST = {
    "frame_rate": 0, "min_score": 0, "min_score_seen": 0, "smallest_person": 0.01,
    "search_every_s": 0, "max_gap_s": 0, "min_length_s": 0, "num_hypotheses": 3,
    "seed": 0, "focal_length_px": 0, "data_weight": 0, "joint_acceleration": 1e-3,
    "place_acceleration": 1e-3, "foot_velocity": 1e-4, "max_steps": 1, "window": 8,
    "overlap": 0, "windows_at_once": 1, "frames_at_once": 1,
    "frames_per_part": 1, "height_px": 64,
}  # fmt: skip
# Keys that results depend on; those that only choose people or draw are not among them.
_RESULT_KEYS = (
    "frame_rate", "min_score", "min_score_seen", "smallest_person", "search_every_s",
    "max_gap_s", "min_length_s", "num_hypotheses", "seed", "focal_length_px",
    "frames_at_once", "frames_per_part", "smooth", "data_weight", "joint_acceleration",
    "place_acceleration", "foot_velocity", "use_hips", "max_steps", "window", "overlap",
    "windows_at_once",
)  # fmt: skip
_LOG = logging.getLogger(__name__)
_PACKAGE_LOG = logging.getLogger("prohmr_jax")


class _Stages:
    """Shows the progress of the stages of a run, and their rates at the end."""

    def __init__(self):
        self._lines: list[str] = []

    @contextlib.contextmanager
    def stage(self, name: str, frames: int) -> Iterator[tqdm]:
        """Yields the progress of a stage that works through some frames."""
        start = time.monotonic()
        with logging_redirect_tqdm([_PACKAGE_LOG]):
            with tqdm(desc=name, total=frames, unit=" frames") as progress:
                yield progress
        seconds = time.monotonic() - start
        rate = frames / max(seconds, 1e-9)
        self._lines.append(f"  {name}: {seconds:.1f} s, {rate:.1f} frames/s")

    def lines(self) -> list[str]:
        """Returns a line for each stage; parts of earlier runs count as well."""
        return ["time, with compilation:", *self._lines]


def run(config: ml_collections.ConfigDict) -> list[Path]:
    """Reconstructs the people of a video, and returns the tables that it has written.

    Args:
      config: see `configs/video.py`.

    Raises:
      InputError: the config, video, body, weights or output cannot be used, nobody is
        in the video for long enough, or the output holds a run with other settings.
    """
    _require_usable(config)
    output, limits = Path(config.output), read_limits(config.plausible)
    codec = config.codec or best_codec()
    if config.draw and codec == "mp4v" and not config.codec:
        _LOG.warning(
            "the video is written as mp4v, which browsers do not play; for H.264: "
            "pip install 'prohmr-jax[video]'"
        )
    _LOG.info("reading the time stamps of the video")
    video = open_video(config.input, config.frame_rate)
    camera = _camera(config, video)
    _LOG.info(
        "%d frames of %d x %d, %.6g frames/s; reading the body and the weights",
        len(video), *video.size, video.frame_rate,
    )  # fmt: skip
    reconstructor = load_reconstructor(
        config.checkpoint,
        config.body,
        seed=config.seed,
        num_hypotheses=config.num_hypotheses,
        num_meshes=0,
        focal_length_px=config.focal_length_px,
    )
    if reconstructor.crop_px is not None:
        what = "sees photos; videos need a model of keypoints"
        raise InputError(config.checkpoint, what)
    settings = TrackFitSettings(
        limits=limits,
        smooth=config.smooth,
        data_weight=config.data_weight,
        joint_acceleration=config.joint_acceleration,
        place_acceleration=config.place_acceleration,
        foot_velocity=config.foot_velocity,
        use_hips=config.use_hips,
        window=config.window,
        overlap=config.overlap,
        windows_at_once=config.windows_at_once,
        minimise=Settings(max_steps=config.max_steps, memory=MEMORY),
        frames_at_once=config.frames_at_once,
        other_body=reconstructor.other_body,
    )
    identity = _identity(config, video, reconstructor, {"plausible": limits})
    stages = _Stages()
    parts = RunFolder(output / PARTS, identity, output / VIDEO)
    with contextlib.closing(parts):
        tracks = _tracks(config, video, parts, stages)
        predictor = TrackPredictor(
            reconstructor.model,
            reconstructor.body,
            camera,
            source=video.path.name,
            num_hypotheses=config.num_hypotheses,
            seed=config.seed,
            size=config.frames_at_once,
        )
        fitter = TrackFitter(
            reconstructor.model, reconstructor.body, settings, video.frame_rate
        )
        people, tables = [], []
        with stages.stage("fitting", sum(map(len, tracks))) as progress:
            for track in tracks:
                columns = fitter(predictor(track), parts, progress.update)
                tables.append(output / f"person{track.number}.npz")
                write_person(tables[-1], identity, columns)
                people.append(VideoPerson.of_columns(track.number, columns))
        if config.formats:
            for table in tables:
                export_tracks(
                    read_tracks(table, FITTED),
                    reconstructor.body,
                    config.body,
                    output,
                    config.formats,
                    video.frame_rate,
                )
        drawing = _drawing(config, codec, people)
        drawn = output / PARTS / _DRAWN
        if config.draw and not _is_drawn(output / VIDEO, drawn, drawing):
            with stages.stage("drawing", len(video)) as progress:
                pictures = video_pictures(
                    video,
                    reconstructor.body,
                    camera.intrinsics,
                    people,
                    height_px=config.height_px,
                    with_keypoints=config.draw_keypoints,
                )
                counted = _counted(pictures, progress)
                write_video(output / VIDEO, counted, video.frame_rate, codec)
            write_atomically(drawn, lambda stream: stream.write(drawing))
    for person, table in zip(people, tables, strict=True):
        print(f"{table}: {person.describe()}")
    print("\n".join(stages.lines()))
    if config.draw:
        print(f"video: {output / VIDEO}")
    if config.formats:
        print(f"movement for other programs: track_N in {output}, docs/export.md")
    print(f"to turn the bodies in a browser: prohmr-jax view {output}")
    return tables


def _require_usable(config: ml_collections.ConfigDict) -> None:
    if not config.input:
        raise InputError("config.input", "is empty: name a video or a folder")
    require_words(config, {"codec": CODECS, "formats": FORMATS})
    require_least(config, _LEAST)
    require_people_words(config.people)
    if 2 * config.overlap > config.window:
        what = f"{config.overlap} is more than half of config.window={config.window}"
        raise InputError("config.overlap", what)


def _camera(config: ml_collections.ConfigDict, video: Video) -> VideoCamera:
    """Returns the camera of the video; its lens is assumed if it is not given."""
    width, height = video.size
    focal = config.focal_length_px
    what = impossible_view(focal, max(width, height)) if focal else ""
    if what:
        raise InputError("config.focal_length_px", f"{focal:g} {what}")
    # The usual guess for unknown cameras (Kissos et al., 2020): the diagonal.
    diagonal = (width**2 + height**2) ** 0.5
    return VideoCamera(video.size, focal or diagonal, video.frame_rate)


def _identity(
    config: ml_collections.ConfigDict,
    video: Video,
    reconstructor: Reconstructor,
    settings: dict[str, Any],
) -> dict[str, str]:
    """Returns everything that the results depend on, as text."""
    files = video.files or (video.path,)
    return {
        "input": video.path.name,
        "input_fingerprint": files_fingerprint(files, [f.name for f in files]),
        **reconstructor.provenance.model_fields(),
        **{name: str(config[name]) for name in _RESULT_KEYS},
        **{name: str(value) for name, value in settings.items()},
    }


def _tracks(
    config: ml_collections.ConfigDict, video: Video, parts: RunFolder, stages: _Stages
) -> list[PersonTrack]:
    """Returns the people of the video who are wanted."""
    detector = VideoDetector(
        functools.cache(load_detector),
        min_score=min(config.min_score_seen, config.min_score),
        smallest=config.smallest_person,
        search_every=max(1, round(config.search_every_s * video.frame_rate)),
        remembered=max(1, round(config.max_gap_s * video.frame_rate)),
        frames_per_part=config.frames_per_part,
    )
    with stages.stage("detecting", len(video)) as progress:
        detections = detector(video, parts, progress.update)
    settings = TrackingSettings(
        video.frame_rate, config.min_score, config.max_gap_s, config.min_length_s
    )
    tracks = follow_people(detections, settings)
    if not tracks:
        what = f"nobody is seen in it for {config.min_length_s:g} s or longer"
        raise InputError(video.path, what)
    _LOG.info("%d people are followed", len(tracks))
    chosen = chosen_tracks(tracks, config.people)
    if not chosen:
        what = f"has no person {config.people}, but has 0 to {len(tracks) - 1}"
        raise InputError(video.path, what)
    return chosen


def _drawing(
    config: ml_collections.ConfigDict, codec: str, people: Sequence[VideoPerson]
) -> bytes:
    """Returns everything beside the results that the drawn video depends on."""
    drawing = {
        "people": [person.number for person in people],
        "height_px": config.height_px,
        "draw_keypoints": config.draw_keypoints,
        "codec": codec,
    }
    return (json.dumps(drawing) + "\n").encode()


def _is_drawn(video: Path, drawn: Path, drawing: bytes) -> bool:
    """Returns whether an earlier run has drawn the same video."""
    return video.exists() and drawn.exists() and drawn.read_bytes() == drawing


def _counted(pictures: Iterator[Any], progress: tqdm) -> Iterator[Any]:
    for picture in pictures:
        yield picture
        progress.update(1)
