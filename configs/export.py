"""Writes bodies as files of movement (GLB, BVH, AMASS, TRC, CSV) and as meshes.

python -m prohmr_jax.main --config configs/export.py --config.input=outputs/fit
python -m prohmr_jax.main --config configs/export.py --config.input=X_person0.npz

docs/export.md says which program opens which file, in which frame and unit.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration that exports a table of fits."""
    config = ConfigDict()
    config.mode = "export"
    # The output folder of the mode "fit" or its table, a result of the demo (.npz), or
    # a folder of results. Bodies with one identity (track_id) are one movement; so are
    # all, if every picture has one person alone.
    config.input = ""
    config.output = "outputs/export"
    # "fit" for fitted bodies (the mode, in results of the demo), or the number of a
    # hypothesis; 0 is the mode.
    config.hypothesis = "fit"
    # Frames per second. Frames that are missing are filled in from their neighbours.
    config.frame_rate = 30.0
    # Movement: "glb", "bvh", "amass", "trc" and "csv". Meshes, one file for each frame:
    # "obj" and "ply".
    config.formats = ("glb", "bvh", "amass", "trc", "csv")
    # The body that the input was made with.
    config.body = "open"
    return config
