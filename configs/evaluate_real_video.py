"""Measures fits of tracks on a person whom several calibrated cameras film.

pip download --no-deps pose2sim==0.10.49 && unzip -q 'pose2sim-*.whl' 'Pose2Sim/Demo_*'
python -m prohmr_jax.main --config configs/evaluate_real_video.py \
    --config.input=Pose2Sim/Demo_SinglePerson --config.output=outputs/real_video

Each camera's track is scored against what the other cameras see. The footage of
Pose2Sim (BSD-3) is only measured on; nothing of it ships.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers of filmed people in `docs/video.md`."""
    config = ConfigDict()
    config.mode = "evaluate_real_video"
    config.seed = 0
    # Weights of a model that sees keypoints; empty for those in the package.
    config.checkpoint = ""
    config.body = "open"
    # Folder with a calibration and a video for each camera, named as the camera is.
    config.input = "Pose2Sim/Demo_SinglePerson"
    # Folder for the report and for detections.
    config.output = "outputs/real_video"
    # Every so many frames are looked at; so many at most (0 for all).
    config.frame_step = 2
    config.max_frames = 0

    # Fits of tracks, as in `configs/video.py`; every combination is measured.
    config.data_weights = (0.1,)
    config.joint_accelerations = (10.0,)
    config.place_accelerations = (4.0,)
    config.foot_velocities = (0.05,)
    config.max_steps = 300
    config.window = 64
    config.overlap = 16
    # Whether fits of single frames are measured as well, with each weight of the data.
    config.single_frames = True
    return config
