"""Makes one body of the views of each person, for thousands of people.

python -m prohmr_jax.main --config configs/multiview.py --config.input=people.json

Killed and started again with the same command, it goes on where it was. What goes in
and comes out is described in `docs/multiview.md`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of joint fits to all views."""
    config = ConfigDict()
    config.mode = "multiview"
    # A manifest, or a folder with a folder of detections for each person.
    config.input = ""
    config.output = "outputs/multiview"
    # See `configs/fit.py`, as the next two.
    config.photo = ""
    config.exif = "honour"
    config.image_size = (0, 0)
    config.body = "open"
    config.checkpoint = ""
    # "joint": agree, and fit the keypoints of all views; "fusion": agree (Eq. 12).
    config.method = "joint"
    # Cameras that the input has are used in joint fits; False forgets them.
    config.use_cameras = True

    # See `configs/fit.py`; with known cameras always "crop_of_image".
    config.frame = "crop"
    config.focal_length_px = 0.0
    config.use_hips = False
    config.max_steps = 1000

    # People solved at a time; results are the same bits for one number of slots.
    config.slots = 8
    config.people_per_shard = 64
    # So many people are drawn, before and after in each view, and written as GLB.
    config.overlays = 0
    config.meshes = 0
    config.overlay_longest_side_px = 480
    return config
