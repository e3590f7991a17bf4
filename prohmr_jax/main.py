"""The command line: `python -m prohmr_jax.main --config configs/X.py [--workdir DIR]`.

Runs the mode that the config names; any key can be set: `--config.key=value`.
"""

import logging
import pathlib
import sys

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import config_flags

from prohmr_jax.errors import InputError

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", "", "Directory of a training run.")
_CACHE = flags.DEFINE_string(
    "compilation_cache",
    str(pathlib.Path("~/.cache/prohmr_jax").expanduser()),
    "Where compiled programs are kept for the next run; empty for nowhere.",
)


def run(config, workdir: str) -> None:
    """Runs the mode of a config; imports only what that mode needs."""
    if config.mode == "train":
        from prohmr_jax.train import train

        if not workdir:
            raise InputError("--workdir", "training needs a directory")
        train(config, pathlib.Path(workdir))
    elif config.mode == "benchmark":
        from prohmr_jax.benchmark import run_benchmark

        run_benchmark(config)
    elif config.mode == "evaluate":
        from prohmr_jax.evaluate import run_evaluation

        run_evaluation(config)
    elif config.mode == "demo":
        from prohmr_jax.demo import run_demo

        run_demo(config)
    else:
        raise InputError("config.mode", f"no mode {config.mode!r}")


def main(_) -> None:
    """Sets up logging and the compilation cache; bad input ends with code 2."""
    # Ours alone: the libraries report every file that they touch.
    absl_logging.set_verbosity(absl_logging.WARNING)
    log = logging.getLogger("prohmr_jax")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    if _CACHE.value:
        jax.config.update("jax_compilation_cache_dir", _CACHE.value)
        # Small programs are many; by default only those of a second are kept.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    try:
        run(_CONFIG.value, _WORKDIR.value)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config"])
    app.run(main)
