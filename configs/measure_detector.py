"""Measures where the detector puts the joints of rendered people, and how it errs.

python -m prohmr_jax.main --config configs/measure_detector.py \
    --config.pose_bank=bank.npz --config.held_out=held_out.npz --config.output=DIRECTORY

A run that was stopped goes on with the chunks that are missing.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the model of errors that ships."""
    config = ConfigDict()
    config.mode = "measure_detector"
    # Directory of the views, a file for each chunk.
    config.output = "data/detector_views"
    # Poses, and clips whose poses only the tests see; `tools/make_pose_bank.py` writes
    # both files.
    config.pose_bank = ""
    config.held_out = ""
    config.body = "open"
    config.seed = 0
    # Number of views; a chunk has `people` times `views` of them, and one chunk in ten
    # is held out.
    config.num_views = 20_480
    config.people = 16
    config.views = 8
    # Whether the features of the pictures are kept as well: what the network of one
    # person sees around it, 8 kB a view, for models that look at the picture.
    config.features = False
    # Side of the pictures, pixels.
    config.image_size = 192
    # Number of processes, each of which renders and detects chunks of its own.
    config.workers = 2
    # File of the model that is fitted to all views; empty to render and detect alone.
    config.model = ""
    # Markdown table of the errors on the views that are held out; empty for none.
    config.report = ""
    return config
