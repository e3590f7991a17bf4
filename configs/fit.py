"""Fits bodies to the keypoints of all people in a photo, a folder or a dataset.

python -m prohmr_jax.main --config configs/fit.py --config.input=photos/
python -m prohmr_jax.main --config configs/fit.py --config.input=detections/

A run that was interrupted continues when the same command is started again. The output
is described in `docs/fit.md`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of fits in crops, as in the official demo."""
    config = ConfigDict()
    config.mode = "fit"
    # A photo, in which people are detected; a file of detections (OpenPose, COCO,
    # AlphaPose, MMPose, ViTPose); a folder of photos and such files, a .txt file that
    # lists them, or a dataset of people. A photo that has detections is not detected.
    config.input = ""
    # The next two keys are explained in `configs/demo.py`.
    config.people = "all"
    config.min_score = 0.35
    config.output = "outputs/fit"
    # Empty for the photos beside the detections, if there are any; "none" for none.
    config.photo = ""
    # "honour" turns photos as their EXIF data say; "ignore" uses pixels as stored.
    config.exif = "honour"
    # Explained in `configs/demo.py`.
    config.format = ""
    # (width, height) of photos that are absent, pixels; zeros if it is not known.
    config.image_size = (0, 0)
    config.body = "open"
    # A weights file or a training directory; empty for the weights in the package.
    config.checkpoint = ""
    # Number of bodies per person before the fit: the first is the mode, the others are
    # samples.
    config.num_hypotheses = 1
    config.seed = 0

    # Pixels that the data term is measured in, and camera that bodies are placed in
    # front of. "crop": pixels of the person's crop, and the crop's long lens for
    # everyone; "image": pixels of the photo, and the photo's camera; "crop_of_image":
    # pixels of the crop, and the photo's camera.
    config.frame = "crop"
    # Focal length of photos whose camera is not known, pixels (not used by frame
    # "crop"); 0 for a lens like the crop's.
    config.focal_length_px = 0.0
    # Whether bodies are fitted to the detected hips, which detectors do not place where
    # body models do.
    config.use_hips = False
    # "movenet" if the keypoints are those of the detector that ships: the body's joints
    # are moved to where it puts them, hips included, and a joint's score gives its
    # weight. Empty for keypoints of any other source, and because "movenet" did
    # not make bodies better where it was measured (docs/detector_errors.md).
    config.detector = ""
    # Weight of the keypoints, relative to the published one. 0 for the weight that
    # suits the model: 1 for models of images; 0.01 for models of keypoints, whose
    # distribution has counted the keypoints already (docs/fit.md has the measurement).
    # A larger weight draws bodies closer to the keypoints, and to their errors.
    config.data_weight = 0.0
    config.max_steps = 1000

    # Limits beyond which a fit is called implausible, in results, reports and
    # pictures. They are wider than the range of good people with noisy keypoints, as
    # `configs/evaluate_plausibility.py` measures it (docs/plausibility.md).
    config.plausible = ConfigDict(
        {
            # Mean distance of joints from keypoints, percent of the person's box.
            "max_reprojection_percent": 7.0,
            # Log-density of the pose, minus its mean over the person's samples.
            "min_log_density": -20.0,
            # Absolute value of the shape coefficients, standard deviations.
            "max_beta": 6.0,
            # Height of the body at rest, metres.
            "stature_m": (1.1, 2.3),
            # Width of the person's box at the distance of the body, metres.
            "box_m": (0.4, 3.5),
            # Width of the person's box, pixels.
            "min_box_px": 10.0,
        }
    )

    # Number of people that are solved at a time; results are the same bits for the same
    # number of slots.
    config.slots = 64
    # Number of people that are saved together: as many are lost at most if the run is
    # interrupted.
    config.people_per_shard = 512
    # Number of people that are drawn before and after the fit.
    config.overlays = 0
    config.overlay_longest_side_px = 640
    return config
