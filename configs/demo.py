"""Reconstructs people in photos: distributions of bodies, with meshes and pictures.

python -m prohmr_jax.main --config configs/demo.py
python -m prohmr_jax.main --config configs/demo.py --config.input=photo.jpg
python -m prohmr_jax.main --config configs/demo.py --config.input=X_keypoints.json

The exit code is 0 if anyone was reconstructed. It is 2, with one line on what is wrong,
if nobody was.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the demo on the photo in the package."""
    config = ConfigDict()
    config.mode = "demo"
    # A photo, in which people are detected; a file of detections (OpenPose, COCO,
    # AlphaPose, MMPose, ViTPose); a folder of photos and such files, which is searched
    # with the folders inside it; or a .txt file that lists them. A photo X.jpg with a
    # file X_keypoints.json or X.json beside it is not detected: the file is used.
    # Empty for the portrait in the package.
    config.input = ""
    # Whose bodies are computed: "all", "largest" (one person of each photo), or the
    # people's numbers, such as "0" or "0,2". People in photos are numbered from the
    # surest to the most doubtful, those of files as the file lists them.
    config.people = "all"
    # People who are detected in photos with a lower score are left out. The score, in
    # [0, 1], is the mean confidence of a person's eight surest joints: 0.5 to 0.9 for
    # people in sight, and seldom above 0.35 where there is nobody.
    config.min_score = 0.35
    config.output = "outputs/demo"
    # Empty for the photo of the detections, if there is one (docs/fit.md says where it
    # is looked for); "none" for no photo; or the path of the photo.
    config.photo = ""
    # "honour" turns photos as their EXIF data say; "ignore" uses pixels as stored.
    config.exif = "honour"
    # Order of the joints in detections, such as "BODY_25B"; empty to tell it from the
    # number of joints and from their positions.
    config.format = ""
    # (width, height) of photos that are absent, pixels; zeros if it is not known.
    config.image_size = (0, 0)
    # "open", an SMPL file, or a folder with one; the one that the weights were trained
    # with.
    config.body = "open"
    # A weights file or a training directory; empty for the weights in the package.
    config.checkpoint = ""
    # Number of bodies per person: the first is the mode, the others are samples.
    config.num_hypotheses = 100
    config.seed = 0
    # Focal length of the photo's camera, pixels. 0 uses the lens that the model
    # assumes, 22 times the longer side. A shorter focal length fits less well what the
    # model saw (the official code uses 5000).
    config.focal_length_px = 0.0

    # Limits beyond which a prediction is called implausible, in results, reports and
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

    # Formats of the mesh files that are written, among "glb", "obj" and "ply".
    config.meshes = ("glb", "obj")
    # Pictures that are written: an overlay for each photo, a sheet for each person, and
    # a page with both for the whole run, report.html, on which bodies can be turned.
    config.pictures = ("overlay", "sheet", "report")
    config.overlay = ConfigDict({"longest_side_px": 1280, "keypoints": True})
    config.sheet = ConfigDict({"num_shown": 3, "panel_px": 400})
    return config
