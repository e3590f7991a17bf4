"""Runs the mode "export": writes bodies as files of movement, and as meshes.

docs/export.md says which program opens which file, in which frame and unit.
"""

import dataclasses
import logging
from collections.abc import Sequence
from pathlib import Path

import jax
import ml_collections
import numpy as np
import tqdm

from prohmr_jax.body import BodyModel, body_mesh, shape_body
from prohmr_jax.bulk_fitting.tracks import Track, read_tracks
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.meshes import CAMERA_TO_Y_UP, write_obj, write_ply
from prohmr_jax.files.motion import amass
from prohmr_jax.files.motion.bvh import write_bvh
from prohmr_jax.files.motion.joint_tables import write_csv, write_trc
from prohmr_jax.files.motion.movement import Movement, Skeleton, movement_from_camera
from prohmr_jax.files.motion.skinned_glb import write_skinned_glb
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.skeleton import JOINTS_44
from prohmr_jax.structs import SmplParams

_LOG = logging.getLogger(__name__)
FORMATS = ("glb", "bvh", "amass", "trc", "csv")
MESHES = {"obj": write_obj, "ply": write_ply}
"""Functions that write one file for each frame."""


def run(config: ml_collections.ConfigDict) -> list[Path]:
    """Writes the files of everyone in a table or in results, and returns their paths.

    Args:
      config: see `configs/export.py`.

    Raises:
      InputError: the input, the body or a key cannot be used, or a file not be written.
    """
    require_words(config, {"formats": (*FORMATS, *MESHES)})
    require_least(config, {"frame_rate": 1e-6})
    if not config.input:
        what = "is empty; name a table of fits, a result of the demo, or a folder"
        raise InputError("config.input", what)
    tracks = read_tracks(config.input, str(config.hypothesis))
    output = Path(config.output)
    paths = export_tracks(
        tracks,
        read_body(config.body),
        config.body,
        output,
        config.formats,
        config.frame_rate,
    )
    people = "1 person" if len(tracks) == 1 else f"{len(tracks)} people"
    print(f"{people}, {len(paths)} files in {output}")
    return paths


def export_tracks(
    tracks: Sequence[Track],
    body: BodyModel,
    body_name: str,
    output: Path,
    formats: tuple[str, ...],
    frame_rate: float,
) -> list[Path]:
    """Writes the files of people in all formats, and returns their paths.

    Args:
      tracks: the people.
      body: body model of the tracks.
      body_name: name of the body for messages.
      output: folder of the files.
      formats: some of `FORMATS` and `MESHES`.
      frame_rate: frames per second.

    Raises:
      InputError: the body has another number of shape coefficients, or a file cannot be
        written.
    """
    paths = []
    for track in tqdm.tqdm(tracks, unit="person", disable=len(tracks) < 2):
        num_betas = track.betas.shape[-1]
        if num_betas != body.num_betas:
            what = f"has {body.num_betas} shape coefficients, {track.name} {num_betas}"
            raise InputError(body_name, what)
        skeleton = rest_skeleton(body, track.betas.mean(axis=0))
        movement = movement_from_camera(
            skeleton, track.frames, track.rotmats, track.translation, frame_rate
        )
        measured = movement.measured.copy()
        measured[track.frames - track.frames[0]] = track.measured
        movement = dataclasses.replace(movement, measured=measured)
        moving = tuple(name for name in formats if name in FORMATS)
        paths += _write(output, track, movement, moving)
        paths += _write_meshes(
            output, track, body, [name for name in formats if name in MESHES]
        )
        gaps = len(movement) - int(movement.measured.sum())
        _LOG.info("%s: %d frames, %d filled in", track.name, len(movement), gaps)
    return paths


def rest_skeleton(body: BodyModel, betas: np.ndarray) -> Skeleton:
    """Returns a body of a shape in its rest pose.

    Args:
      body: the body model.
      betas: shape coefficients, [S].
    """
    shaped = jax.jit(shape_body)(body, np.asarray(betas, np.float32))
    return Skeleton(
        joints=np.asarray(shaped.joints, float),
        vertices=np.asarray(shaped.surface.rest, float).T,
        faces=np.asarray(body.faces),
        skinning_weights=np.asarray(body.surface.skinning_weights, float).T,
        betas=np.asarray(betas, float),
    )


def _write(
    output: Path, track: Track, movement: Movement, formats: tuple[str, ...]
) -> list[Path]:
    """Writes one person in each format and returns the paths."""
    joints = track.joints * CAMERA_TO_Y_UP
    every = np.arange(track.frames[0], track.frames[-1] + 1)
    flat = joints.reshape(len(joints), -1).T
    joints = np.stack([np.interp(every, track.frames, row) for row in flat], axis=1)
    joints = joints.reshape(len(every), -1, 3)
    names, rate = JOINTS_44.names, movement.frame_rate
    writers = {
        "glb": (".glb", lambda path: write_skinned_glb(path, movement)),
        "bvh": (".bvh", lambda path: write_bvh(path, movement)),
        "amass": (amass.ENDING, lambda path: amass.write_amass(path, movement)),
        "trc": (".trc", lambda path: write_trc(path, names, joints, rate)),
        "csv": (
            ".csv",
            lambda path: write_csv(path, names, joints, rate, movement.measured),
        ),
    }
    paths = []
    for name in formats:
        ending, write = writers[name]
        path = output / f"{track.name}{ending}"
        write(path)
        paths.append(path)
    return paths


def _write_meshes(
    output: Path, track: Track, body: BodyModel, formats: Sequence[str]
) -> list[Path]:
    """Writes a mesh for each frame of a person in each format, and returns the paths.

    Meshes have the shape of their frame, and the corrections of the body model that
    depend on the pose.
    """
    paths = []
    for row, frame in enumerate(track.frames if formats else ()):
        vertices = _vertices(
            body,
            *(
                np.asarray(getattr(track, name)[row], np.float32)
                for name in ("rotmats", "betas", "translation")
            ),
        )
        number = f"_frame{frame:06d}" if len(track.frames) > 1 else ""
        for name in formats:
            path = output / f"{track.name}{number}.{name}"
            MESHES[name](path, np.asarray(vertices), np.asarray(body.faces))
            paths.append(path)
    return paths


@jax.jit
def _vertices(body: BodyModel, rotmats, betas, translation):
    """Returns the vertices [V, 3] of one body, metres, camera frame."""
    smpl = SmplParams.from_rotmats(rotmats, betas)
    return body_mesh(body, smpl).vertices + translation
