"""Renders views of people with known geometry, on which a detector is measured.

The mode "measure_detector" calls `render_views` for one chunk after the other. A chunk
depends only on the seed and its number, so that work that was stopped can go on.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.structs import SmplParams
from prohmr_jax.synthetic.body_map import BodyMap
from prohmr_jax.synthetic.dataset import render_all
from prohmr_jax.synthetic.picture_camera import PictureCamera, frame_person
from prohmr_jax.synthetic.render_pictures import (
    Picture,
    PictureRequest,
    render_covered,
)
from prohmr_jax.synthetic.scenes import Scene, scenes_of_poses
from prohmr_jax.synthetic.textures import TEST_KINDS, TRAIN_KINDS

# The box of all joints, which is 1.2 times their extent, over the side of the picture:
# the picture is about the square that the detector cuts out of a photo.
_BOX_SHARE = (0.78, 0.98)


@dataclasses.dataclass(frozen=True)
class ViewSettings:
    """Holds what decides the content of a chunk of views."""

    seed: int = 0
    """Seed of all random numbers."""
    people: int = 32
    """Number of people in a chunk."""
    views: int = 8
    """Number of pictures of each person."""
    image_size: int = 192
    """Side of the pictures, pixels."""


@struct.dataclass
class TrueViews:
    """Holds the true geometry of N views of people."""

    axis_angle: Float[Array, "N 24 3"]
    """Pose, radians; the root turns the body frame to the camera frame."""
    betas: Float[Array, "N S"]
    """Shape coefficients."""
    translation: Float[Array, "N 3"]
    """Translation of the body in the camera frame, metres."""
    focal_length: Float[Array, " N"]
    """Focal length, pixels."""
    center: Float[Array, "N 2"]
    """Principal point (x, y), pixels."""


@dataclasses.dataclass(frozen=True)
class RenderedViews:
    """Holds N views with their pictures."""

    true: TrueViews
    """The true geometry."""
    xy: Float[np.ndarray, "N 44 2"]
    """True projections of JOINTS_44, pixels."""
    pictures: list[Picture]
    """N pictures."""

    def out_of_sight(self, joints: np.ndarray) -> Bool[np.ndarray, "N J"]:
        """Returns which joints are outside the picture or behind an object.

        Args:
          joints: numbers of joints in JOINTS_44.
        """
        size = len(self.pictures[0].covered)
        pixel = np.rint(self.xy[:, joints]).astype(int)
        outside = np.any((pixel < 0) | (pixel >= size), axis=-1)
        column, row = np.moveaxis(np.clip(pixel, 0, size - 1), -1, 0)
        covered = np.stack([picture.covered for picture in self.pictures])
        return outside | covered[np.arange(len(pixel))[:, None], row, column]


def render_views(
    body: BodyModel,
    body_map: BodyMap,
    poses: Float[np.ndarray, "M 24 3"],
    settings: ViewSettings,
    chunk: int,
    workers: int = 1,
) -> RenderedViews:
    """Returns the views of one chunk, `people` times `views` of them.

    Args:
      body: any body.
      body_map: map of the same body.
      poses: poses to draw from, axis-angles in radians, the root relative to a world
        with Y up.
      settings: content of the chunk.
      chunk: number of the chunk.
      workers: number of processes that render; 1 renders in this process.
    """
    key = jax.random.fold_in(jax.random.key(settings.seed), chunk)
    keys = jax.random.split(key, settings.people)
    rng = np.random.default_rng((settings.seed, chunk))
    rows = rng.integers(len(poses), size=settings.people)
    axis_angle = jnp.asarray(poses[rows], jnp.float32)
    component = jnp.zeros(settings.people, int)
    scenes = scenes_of_poses(body, keys, axis_angle, component, settings.views)
    scenes = jax.tree.map(np.asarray, scenes)
    people = [jax.tree.map(lambda a, n=n: a[n], scenes) for n in range(settings.people)]
    cameras = [_cameras(rng, scene, settings.image_size) for scene in people]
    requests = (
        PictureRequest(
            (settings.seed, chunk, number),
            scene.vertices,
            cameras[number],
            TRAIN_KINDS + TEST_KINDS,
        )
        for number, scene in enumerate(people)
    )
    rendered = render_all(body_map, requests, workers, render_covered)
    pictures = [picture for several in rendered for picture in several]

    everywhere = [camera for several in cameras for camera in several]
    joints = np.repeat(scenes.joints, settings.views, axis=0)
    in_camera = np.stack(
        [c.to_camera(j) for c, j in zip(everywhere, joints, strict=True)]
    )
    projected = [c.view.project(j) for c, j in zip(everywhere, in_camera, strict=True)]
    root = scenes.global_orient.reshape(-1, 1, 3)
    limbs = np.repeat(scenes.body_pose, settings.views, axis=0)
    pose = np.concatenate([root, limbs], axis=1)
    betas = np.repeat(scenes.betas, settings.views, axis=0)
    placed = _joints(body, pose, betas)
    true = TrueViews(
        axis_angle=pose,
        betas=betas,
        translation=np.mean(in_camera - placed, axis=1).astype(np.float32),
        focal_length=np.array([c.view.focal_length[0] for c in everywhere], np.float32),
        center=np.array([c.view.center for c in everywhere], np.float32),
    )
    return RenderedViews(true, np.stack(projected), pictures)


@jax.jit
def _joints(
    body: BodyModel, axis_angle: Float[Array, "N 24 3"], betas: Float[Array, "N S"]
) -> Float[Array, "N 44 3"]:
    smpl = SmplParams.from_rotmats(axis_angle_to_rotmat(axis_angle), betas)
    return body_joints(body, smpl).joints


def _cameras(rng: np.random.Generator, scene: Scene, size: int) -> list[PictureCamera]:
    return [
        frame_person(rng, rotation, translation, scene.joints, size, _BOX_SHARE)
        for rotation, translation in zip(scene.rotation, scene.translation, strict=True)
    ]
