"""Follows the people of a video, and reconstructs them in all frames.

python -m prohmr_jax.main --config configs/video.py --config.input=walk.mp4
python -m prohmr_jax.main --config configs/video.py --config.input=frames/

A run that was interrupted continues when the same command is started again. What is
written, and how people are followed and fitted, is described in `docs/video.md`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration that fits whole tracks of the people in a video."""
    config = ConfigDict()
    config.mode = "video"
    # A video, or a folder of pictures whose names give the order.
    config.input = ""
    config.output = "outputs/video"
    # Frames per second that are looked at; 0 for the rate of the video, and for 30 in
    # folders of pictures. A lower rate takes less time.
    config.frame_rate = 0.0

    # Time after which the whole picture is searched for people anew, seconds; 0 for
    # every frame. Between searches people are looked for where they were, which takes
    # less time; frames are searched while somebody is missing (docs/video.md).
    config.search_every_s = 0.0

    # "all", "largest" (the person who is largest in the pictures), or the people's
    # numbers, such as "0,2". Numbers follow the order in which people appear.
    config.people = "all"
    # Score from which on a detection starts a track; see `configs/demo.py`.
    config.min_score = 0.35
    # Score from which on a detection continues a track.
    config.min_score_seen = 0.25
    # Height of the smallest person searched for everywhere, over the square root of the
    # picture's area. Half of it takes three times as long (docs/video.md).
    config.smallest_person = 0.16
    # Longest time without sight of a person that is bridged, seconds.
    config.max_gap_s = 1.0
    # People who are detected for a shorter time are left out, seconds.
    config.min_length_s = 0.5

    config.body = "open"
    # Weights of a model of keypoints or a training directory; empty for the weights in
    # the package.
    config.checkpoint = ""
    # Number of bodies per frame from which the spread is computed: the first is the
    # mode, the others are samples.
    config.num_hypotheses = 25
    config.seed = 0
    # Focal length of the camera, pixels. 0 for the diagonal of the picture, which means
    # a field of view of 53 degrees along it.
    config.focal_length_px = 0.0

    # Whether one body is fitted to each person in all frames; otherwise each frame has
    # the mode of its own distribution. The next keys say how (docs/video.md).
    config.smooth = True
    # Weight of the keypoints, relative to the published one.
    config.data_weight = 0.1
    # Standard deviations of the acceleration of joints relative to the pelvis, and of
    # the pelvis, m/s^2; smaller ones smooth more.
    config.joint_acceleration = 10.0
    config.place_acceleration = 4.0
    # Standard deviation of the velocity of feet that stand, m/s; smaller ones hold them
    # more.
    config.foot_velocity = 0.05
    # Whether bodies are fitted to the detected hips.
    config.use_hips = False
    config.max_steps = 300
    # Frames of a window, which is fitted at once, frames that neighbouring windows
    # share, and windows that are solved at a time.
    config.window = 64
    config.overlap = 16
    config.windows_at_once = 1

    # Limits beyond which a body is called implausible; see `configs/fit.py`.
    config.plausible = ConfigDict(
        {
            "max_reprojection_percent": 7.0,
            "min_log_density": -20.0,
            "max_beta": 6.0,
            "stature_m": (1.1, 2.3),
            "box_m": (0.4, 3.5),
            "min_box_px": 10.0,
        }
    )
    # Number of frames that are predicted, decoded and judged at a time.
    config.frames_at_once = 64
    # Number of frames whose detections are saved together: as many are lost at most if
    # the run is interrupted.
    config.frames_per_part = 50

    # Whether a video is drawn: bodies over the pictures, and beside them from the side.
    config.draw = True
    config.height_px = 540
    # Whether the detected keypoints are drawn as well.
    config.draw_keypoints = False
    # "h264", which browsers play and which needs pip install 'prohmr-jax[video]';
    # "mp4v", which OpenCV writes; or empty for the first where it can be written.
    config.codec = ""
    # Files of movement that are written for each person, among "glb", "bvh", "amass",
    # "trc" and "csv" (docs/export.md).
    config.formats = ("glb", "bvh", "amass")
    return config
