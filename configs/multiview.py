"""Makes one body of the views of each person, for any number of people.

python -m prohmr_jax.main --config configs/multiview.py --config.input=people.json

A run that was interrupted continues when the same command is started again. Input and
output are described in `docs/multiview.md`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of joint fits to all views."""
    config = ConfigDict()
    config.mode = "multiview"
    # A manifest, or a folder that holds a folder of detections for each person or for
    # each camera.
    config.input = ""
    # File or folder of the calibrated cameras: Pose2Sim's .toml, Qualisys' .qca.txt,
    # EasyMocap's intri.yml and extri.yml, OpenCV's .yml, .xml or .json, or
    # `cameras.json`. Empty for cameras in the input.
    config.cameras = ""
    config.output = "outputs/multiview"
    # The next four keys are explained in `configs/fit.py`.
    config.photo = ""
    config.exif = "honour"
    config.format = ""
    config.image_size = (0, 0)
    config.body = "open"
    config.checkpoint = ""
    # "joint" makes the views agree and fits the keypoints of all views (Eqs. 11 and
    # 12); "fusion" makes them agree (Eq. 12).
    config.method = "joint"
    # Whether joint fits use the cameras that the input has.
    config.use_cameras = True

    # The next three keys are explained in `configs/fit.py`; with calibrated cameras the
    # frame is always "crop_of_image".
    config.frame = "crop"
    config.focal_length_px = 0.0
    config.use_hips = False
    config.max_steps = 1000

    # Limits beyond which a body is called implausible, in results, reports and
    # pictures, for each method. They are wider than the range of good people with noisy
    # keypoints, as `configs/evaluate_plausibility.py` measures it
    # (docs/plausibility.md).
    of_both_methods = {
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
    # Mean distance of joints from keypoints, percent of the person's box. Fusion does
    # not fit bodies to keypoints, and they lie farther away.
    config.plausible = ConfigDict(
        {
            "joint": {"max_reprojection_percent": 3.0, **of_both_methods},
            "fusion": {"max_reprojection_percent": 12.0, **of_both_methods},
        }
    )

    # Number of people that are solved at a time; results are the same bits for the same
    # number of slots.
    config.slots = 8
    config.people_per_shard = 64
    # Number of people who are drawn before and after the fit, in each view.
    config.overlays = 0
    # Number of people whose body is written as GLB.
    config.meshes = 0
    config.overlay_longest_side_px = 480
    return config
