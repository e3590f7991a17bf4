"""Holds the settings of training pairs of detections and bodies.

`keypoint_pairs` and `missing_joints` read them, and configs name them.
"""

import dataclasses

from prohmr_jax.errors import InputError


@dataclasses.dataclass(frozen=True)
class KeypointPairSettings:
    """Holds how varied shapes, cameras and detections are.

    Rates are probabilities that a person is affected, unless it says otherwise.
    """

    betas_std: float = 1.0
    """Standard deviation of the shape coefficients."""
    min_distance: float = 2.0
    """Least distance from the camera, metres; distances are log-uniform."""
    max_distance: float = 20.0
    """Greatest distance from the camera, metres."""
    pitch_std_deg: float = 18.0
    """Standard deviation of the camera's pitch, degrees."""
    roll_std_deg: float = 9.0
    """Standard deviation of the camera's roll, degrees."""
    max_off_axis: float = 0.15
    """Greatest distance from the optical axis, divided by the depth."""
    perfect_rate: float = 0.25
    """Rate of people whose detections are exact and have full confidence."""
    max_jitter: float = 0.7
    """Greatest factor on the standard deviations of `JITTER_25`; it is uniform."""
    plain_confidence_rate: float = 0.0
    """Rate of people all of whose detections have full confidence, however far off
    they are: scores of detectors tell little, and often nothing, of the error."""
    outlier_rate: float = 0.02
    """Rate of joints whose position is far off."""
    swap_rate: float = 0.03
    """Rate of exchanged left and right, for each of arms and legs."""
    dropout_rate: float = 0.25
    """Rate of people of whom single joints are missing."""
    max_dropout: float = 0.4
    """Greatest share of single joints that are missing; it is uniform."""
    group_rate: float = 0.3
    """Rate of people of whom a group of joints is missing."""
    truncation_rate: float = 0.2
    """Rate of people who are cut off by the edge of the picture."""
    occluder_rate: float = 0.12
    """Rate of people who are partly behind a rectangle."""
    no_feet_rate: float = 0.15
    """Rate of people without toes and heels, which many detectors do not find."""
    min_visible: int = 4
    """Number of joints below which all joints are given instead."""
    movenet_rate: float = 0.0
    """Rate of people whose detections are those of the measured detector."""
    movenet_sharpness: float = 1.5
    """Greatest improvement of its scores over those in the rendered pictures on which
    it was measured, in standard deviations; it is uniform from 0. Real photos of people
    in full sight have scores like the best of the rendered pictures."""
    annotator_rate: float = 0.0
    """Rate of people whose joints are marked by hand; the others have detections with
    the faults that the settings above describe."""
    annotator_jitter: float = 0.1
    """Standard deviation of joints marked by hand, as a factor on `JITTER_25`."""

    def __post_init__(self):
        """Raises InputError if the rates of the forms are no probabilities."""
        rates = self.movenet_rate, self.annotator_rate
        if min(rates) < 0.0 or sum(rates) > 1.0 + 1e-6:
            what = f"and annotator_rate are {rates}: negative, or more than 1 together"
            raise InputError("movenet_rate", what)
