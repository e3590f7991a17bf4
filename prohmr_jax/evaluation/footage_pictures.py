"""Draws the modes of filmed people over the views that they are predicted from."""

from collections.abc import Sequence

import jax
import numpy as np

from prohmr_jax.evaluation.footage_errors import FootageModels
from prohmr_jax.geometry.cameras import crop_camera_in_image
from prohmr_jax.inference.predict import predict
from prohmr_jax.rendering.drawing import draw_keypoints, fit_within
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.views import Perspective, resized_pixels
from prohmr_jax.structs import Keypoints2D

_SIDE_PX = 640
_predict = jax.jit(predict, static_argnums=(4, 5))


def modes_over_views(
    models: FootageModels, keypoints: Keypoints2D, photos: Sequence[np.ndarray]
) -> list[np.ndarray | None]:
    """Returns the photos of N views with detections, then with the mode of each.

    Args:
      models: the models.
      keypoints: detections of one person, BODY_25 [N, 25], photo pixels.
      photos: photos [H, W, 3] uint8 without distortion.

    Returns:
      2 N pictures; None for the mode of a view that does not show the person.
    """
    modes = _predict(models.prohmr, models.body, keypoints, jax.random.key(0), 1, True)
    camera = crop_camera_in_image(modes.hypotheses.camera, modes.box)
    vertices = modes.body.vertices[:, 0] + camera.translation[:, None]
    detected, bodies = [], []
    for view, photo in enumerate(photos):
        small = fit_within(photo, _SIDE_PX)
        scale = np.array(small.shape[1::-1]) / np.array(photo.shape[1::-1])
        confidence = np.asarray(keypoints.confidence[view])
        xy = resized_pixels(np.asarray(keypoints.xy[view]), scale)
        detected.append(draw_keypoints(small, xy, confidence))
        if not confidence.any():
            bodies.append(None)
            continue
        lens = Perspective(
            tuple(np.asarray(camera.focal_length[view]).tolist()),
            tuple(np.asarray(camera.center[view]).tolist()),
        )
        faces = np.asarray(models.body.faces)
        drawn = overlay(photo, vertices[view], faces, lens, longest_side=_SIDE_PX)
        bodies.append(drawn)
    return [*detected, *bodies]
