"""People who stand in a room with cameras around it; several tests look at them."""

import functools
import json

import jax
import numpy as np

from prohmr_jax.body import body_joints, make_body_model
from prohmr_jax.files.body_files import read_body_arrays
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.geometry.triangulation import CameraRig
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import SmplParams

LENS = np.array([[1100.0, 0, 960], [0, 1080.0, 540], [0, 0, 1]])
SIZE = (1920, 1080)


@functools.cache
def bodies() -> np.ndarray:
    """[20, 25, 3], metres: joints (BODY_25) of people who stand at the origin, z up."""
    rng = np.random.default_rng(0)
    poses = 0.25 * rng.normal(size=(20, 24, 3))
    poses[:, 0] = [0.0, 1.0, 0.0] * rng.uniform(-np.pi, np.pi, (20, 1))
    body = make_body_model(**vars(read_body_arrays("open")))
    people = SmplParams.from_rotmats(
        axis_angle_to_rotmat(poses.astype(np.float32)),
        0.7 * rng.normal(size=(20, 10)).astype(np.float32),
    )
    joints = np.asarray(jax.jit(body_joints)(body, people).joints, np.float64)
    joints = joints[:, : len(BODY_25), [2, 0, 1]]
    joints[..., 2] -= joints[..., 2].min(axis=1, keepdims=True)
    return joints


def ring_of_cameras(number: int, radius: float = 6.0, height: float = 1.7) -> CameraRig:
    """Cameras at equal angles around the origin, which all look at a point above it."""
    angles = np.arange(number) * 2 * np.pi / number + 0.3
    rotations, translations = [], []
    for angle in angles:
        place = np.array([radius * np.cos(angle), radius * np.sin(angle), height])
        forward = np.array([0.0, 0.0, 0.9]) - place
        forward /= np.linalg.norm(forward)
        right = np.cross(forward, [0.0, 0.0, 1.0])
        right /= np.linalg.norm(right)
        rotation = np.stack([right, np.cross(forward, right), forward])
        rotations.append(rotation)
        translations.append(-rotation @ place)
    lenses = np.repeat(LENS[None], number, axis=0)
    return CameraRig(lenses, np.stack(rotations), np.stack(translations))


def people_in_room(rng: np.random.Generator, number: int) -> np.ndarray:
    """[P, 25, 3], metres, world: people at least 0.6 metres from each other."""
    places = []
    while len(places) < number:
        place = rng.uniform(-1.8, 1.8, 2)
        if all(np.linalg.norm(place - other) > 0.6 for other in places):
            places.append(place)
    people = bodies()[rng.permutation(len(bodies()))[:number]].copy()
    people[..., :2] += np.array(places)[:, None]
    return people


def shown_by(rig: CameraRig, camera: int, points: np.ndarray) -> np.ndarray:
    """Pixels [*b, 2] of points [*b, 3] of the world, one point after the other."""
    pixels = []
    for point in points.reshape(-1, 3):
        ray = rig.intrinsics[camera] @ (
            rig.rotation[camera] @ point + rig.translation[camera]
        )
        pixels.append(ray[:2] / ray[2])
    return np.reshape(pixels, (*points.shape[:-1], 2))


def detections_of(*people: np.ndarray) -> str:
    """The text of OpenPose's file with people whose joints are at pixels [25, 2]."""
    seen = [np.concatenate([xy, np.ones((len(xy), 1))], axis=1) for xy in people]
    return json.dumps(
        {"people": [{"pose_keypoints_2d": p.round(3).ravel().tolist()} for p in seen]}
    )


def own_cameras(rig: CameraRig, names) -> dict[str, dict]:
    """Cameras as the project's own JSON has them."""
    return {
        name: {
            "K": rig.intrinsics[number].tolist(),
            "R": rig.rotation[number].tolist(),
            "t": rig.translation[number].tolist(),
        }
        for number, name in enumerate(names)
    }
