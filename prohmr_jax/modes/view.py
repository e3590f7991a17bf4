"""Runs the mode "view": shows results in a browser, or writes a page that does.

docs/start.md describes both.
"""

import logging
from pathlib import Path

import ml_collections

from prohmr_jax.files.body_files import read_body
from prohmr_jax.modes.config_checks import require_least
from prohmr_jax.viewer.people_pages import page_of_people
from prohmr_jax.viewer.readers import read_people
from prohmr_jax.viewer.scene import PosedBodies
from prohmr_jax.viewer.server import Viewer

_LOG = logging.getLogger(__name__)
PAGE = "view.html"


def run(config: ml_collections.ConfigDict) -> Path | None:
    """Serves a viewer until it is interrupted, or writes a page and returns its path.

    Args:
      config: see `configs/view.py`.

    Raises:
      InputError: the input, the body or a key cannot be used, the page cannot be
        written, or viser is not installed.
    """
    require_least(config, {"port": 0})
    source = Path(config.input)
    _LOG.info("reading %s", source)
    people = read_people(source)
    posed = PosedBodies(read_body(config.body), config.body)
    posed.require_body_of(people)
    if config.html:
        path = (source if source.is_dir() else source.parent) / PAGE
        page_of_people(people, posed, source.resolve().name).write(path)
        print(f"page: {path}")
        return path
    viewer = Viewer(people, posed, config.host, config.port)
    print(f"{len(people)} people at http://{config.host}:{viewer.port}", flush=True)
    print("Ctrl-C ends the viewer", flush=True)
    try:
        viewer.play()
    except KeyboardInterrupt:
        pass
    finally:
        viewer.stop()
    return None
