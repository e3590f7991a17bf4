"""Shows results in a browser: bodies, samples, spread, cameras and movement.

python -m prohmr_jax.main --config configs/view.py --config.input=outputs/demo
python -m prohmr_jax.main --config configs/view.py --config.html

The viewer needs `pip install 'prohmr-jax[viewer]'`; a page needs nothing.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration that shows what the demo wrote."""
    config = ConfigDict()
    config.mode = "view"
    # What the mode "demo", "fit", "multiview" or "video" wrote: the folder, or a .npz
    # file in it.
    config.input = "outputs/demo"
    # The body that the input was made with.
    config.body = "open"
    # Whether a page is written, view.html in the folder of the input, and no viewer is
    # started.
    config.html = False
    # Address and first port that the viewer listens at. At "localhost", this machine
    # alone can reach it; at "0.0.0.0", every other one can as well.
    config.host = "localhost"
    config.port = 8080
    return config
