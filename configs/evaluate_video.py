"""Measures fits of tracks against single frames, on videos of known movement.

python -m prohmr_jax.main --config configs/evaluate_video.py \
    --config.held_out=heldout.npz

`tools/make_pose_bank.py` writes the clips; `docs/video.md` has the results.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the numbers in `docs/video.md`."""
    config = ConfigDict()
    config.mode = "evaluate_video"
    # Clips that no training saw, and the splits of them that are used; empty for all.
    # Weights are chosen on one split, and their errors reported on others.
    config.held_out = ""
    config.splits = ()
    # Number of clips, spread over those of the splits, 0 for all; and frames of each,
    # at 30 Hz.
    config.num_clips = 0
    config.num_frames = 64
    # Number of people, cameras and detections that are drawn for each clip.
    config.num_draws = 1
    # Correlations of a joint's errors in successive frames; each has a table. Those of
    # detectors last for many frames.
    config.correlations = (0.9,)
    config.seed = 0
    config.body = "open"
    config.checkpoint = ""
    # File of the report, which is written anew after each track; empty to print it.
    config.report = ""

    # Fits of tracks, as in `configs/video.py`; every combination is measured.
    config.data_weights = (0.1,)
    config.joint_accelerations = (10.0,)
    config.place_accelerations = (4.0,)
    config.foot_velocities = (0.05,)
    config.max_steps = 300
    # Whether fits of single frames are measured as well, with each weight of the data.
    config.single_frames = True
    return config
