"""Fits bodies to the keypoints of all people of a folder, a list or a dataset.

python -m prohmr_jax.main --config configs/fit.py --config.input=detections/

Killed and started again with the same command, it goes on where it was. What comes out
is described in `docs/fit.md`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of fits in crops, as the official demo's."""
    config = ConfigDict()
    config.mode = "fit"
    # A file of detections (OpenPose, COCO, AlphaPose, MMPose, ViTPose), a folder of
    # them, a .txt file that lists them, or a dataset of people.
    config.input = ""
    config.output = "outputs/fit"
    # Empty: the photo beside the detections, where there is one; "none": no photos.
    config.photo = ""
    # "honour" turns photos as their EXIF data say; "ignore" takes pixels as stored.
    config.exif = "honour"
    # (width, height) of photos that are not there; zeros: not known.
    config.image_size = (0, 0)
    config.body = "open"
    # A weights file or directory; empty: the weights that ship.
    config.checkpoint = ""
    # Bodies per person before the fit; the first is the mode, the others are draws.
    config.num_hypotheses = 1
    config.seed = 0

    # "crop": the data term counts pixels of the person's crop, and every person has
    # the crop's long lens; "image": pixels of the photo, all before the photo's camera;
    # "crop_of_image": pixels of the crop, before the photo's camera.
    config.frame = "crop"
    # Of photos whose camera is not known, but for frame "crop"; 0: like the crop's.
    config.focal_length_px = 0.0
    # Whether detected hips are fitted to; detectors put them where bodies have none.
    config.use_hips = False
    config.max_steps = 1000

    # People solved at a time; results are the same bits for one number of slots.
    config.slots = 64
    # What is lost at most when the run is killed.
    config.people_per_shard = 512
    # So many people are drawn before and after.
    config.overlays = 0
    config.overlay_longest_side_px = 640
    return config
