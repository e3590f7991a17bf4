"""Turns detected keypoints into a distribution of bodies, with meshes and pictures.

python -m prohmr_jax.main --config configs/demo.py
python -m prohmr_jax.main --config configs/demo.py --config.input=X_keypoints.json

The exit code is 0 if any person was reconstructed, and 2 with one line on what is
wrong if the input file, or every file of the input folder, cannot be used.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the demo on the photo that ships."""
    config = ConfigDict()
    config.mode = "demo"
    # A file of OpenPose (BODY_25) or COCO-17 keypoints, or a folder of such files;
    # empty: the detections that ship with the package.
    config.input = ""
    config.output = "outputs/demo"
    # Empty: the photo beside the detections, where there is one; "none": no photo.
    config.photo = ""
    # "honour" turns the photo as its EXIF data say; "ignore" takes pixels as stored.
    config.exif = "honour"
    # (width, height) of photos that are not there; zeros: not known.
    config.image_size = (0, 0)
    # "open", an SMPL file or a folder with one; as the weights were trained with.
    config.body = "open"
    # A weights file or a training directory; empty: the weights that ship.
    config.checkpoint = ""
    # Bodies per person; the first is the mode, the others are draws.
    config.num_hypotheses = 100
    config.seed = 0
    # Of the photo's camera; 0: the lens that the model believes in, 22 times the
    # longer side. A nearer camera fits less well what it saw (the official: 5000).
    config.focal_length_px = 0.0

    config.meshes = ("glb", "obj")
    config.pictures = ("overlay", "sheet")
    config.overlay = ConfigDict({"longest_side_px": 1280, "keypoints": True})
    config.sheet = ConfigDict({"num_shown": 3, "panel_px": 400})
    return config
