"""Measures the model on people whom several calibrated cameras film.

pip download --no-deps pose2sim==0.10.49 && unzip -q 'pose2sim-*.whl' 'Pose2Sim/Demo_*'
python -m prohmr_jax.main --config configs/evaluate_real.py \
    --config.input=Pose2Sim/Demo_SinglePerson --config.output=outputs/real

Each view is scored against what the other views see. The footage of Pose2Sim (BSD-3) is
only measured on; nothing of it ships.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/real_footage.md`."""
    config = ConfigDict()
    config.mode = "evaluate_real"
    config.seed = 0
    # Weights of a model that sees keypoints; empty for those in the package.
    config.checkpoint = ""
    config.body = "open"
    # Folder with a calibration and a video for each camera, named as the camera is.
    config.input = "Pose2Sim/Demo_SinglePerson"
    # Folder for the report, for detections, and for pictures.
    config.output = "outputs/real"
    # Every so many frames are measured; so many at most (0 for all).
    config.frame_step = 2
    config.max_frames = 0
    # Samples of each view, and numbers of samples of which the best is reported.
    config.best_of = (1, 10, 100)
    # Weights of the data term of fits, relative to the published ones.
    config.data_weights = (0.01, 1.0)
    config.max_steps = 1000
    config.batch_size = 25
    # Moments of which a picture is drawn.
    config.pictures = 3
    return config
