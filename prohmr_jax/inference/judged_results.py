"""Says whether the result of a person is plausible; `Reconstructor` calls it."""

import dataclasses

import numpy as np

from prohmr_jax.body import BodyModel
from prohmr_jax.inference.plausibility import Limits, judge, measure, result_members
from prohmr_jax.inference.results import PersonResult
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import Camera, Keypoints2D


def judged(
    result: PersonResult, body: BodyModel, limits: Limits, other_body: bool
) -> PersonResult:
    """Returns the result with the members that say whether its mode is plausible.

    Args:
      result: result of a person.
      body: body model of the result.
      limits: limits of plausible bodies.
      other_body: whether the weights were trained on another body.
    """
    measures = measure(
        body,
        result.joints[0],
        Camera(result.translation, result.focal_length_px, result.principal_point_px),
        Keypoints2D(result.keypoints_px, result.keypoint_confidence),
        result.box_size_px,
        result.betas,
        np.zeros(POSE_FEATURES, np.float32),  # the latent of the mode
    )
    verdict = judge(measures, limits, other_body)
    return dataclasses.replace(result, **result_members(measures, verdict))
