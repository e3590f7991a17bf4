"""The command line: `python -m prohmr_jax.main --config configs/X.py [--workdir DIR]`.

Runs the mode that the config names; any key can be set: `--config.key=value`.
"""

import dataclasses
import importlib
import logging
import pathlib
import sys

import jax
from absl import app, flags
from absl import logging as absl_logging
from ml_collections import ConfigDict, config_flags

from prohmr_jax.errors import InputError

_CONFIG = config_flags.DEFINE_config_file("config", lock_config=True)
_WORKDIR = flags.DEFINE_string("workdir", "", "Directory of a training run.")
_DISTRIBUTED = flags.DEFINE_string(
    "distributed", "", "One of several hosts: 'auto', or 'host:port,number,count'."
)
_CACHE = flags.DEFINE_string(
    "compilation_cache",
    str(pathlib.Path("~/.cache/prohmr_jax").expanduser()),
    "Where compiled programs are kept for the next run; empty for nowhere.",
)


@dataclasses.dataclass(frozen=True)
class Mode:
    """Where a mode is implemented, and what the command line arranges for it."""

    module: str
    """Module below `prohmr_jax` whose `run(config)` does the work."""
    trains: bool = False
    """Whether `run` takes the directory of `--workdir` as well, and needs it."""
    keeps_programs: bool = True
    """Whether programs compiled earlier may be used; not where compiling is timed."""


MODES = {
    "demo": Mode("modes.demo"),
    "fit": Mode("modes.fit"),
    "multiview": Mode("modes.multiview"),
    "train_keypoints": Mode("modes.train_keypoints", trains=True),
    "train_images": Mode("modes.train_images", trains=True),
    "evaluate_keypoints": Mode("modes.evaluate_keypoints"),
    "evaluate_images": Mode("modes.evaluate_images"),
    "evaluate_fitting": Mode("modes.evaluate_fitting"),
    "render_people": Mode("modes.render_people"),
    "benchmark": Mode("benchmarks.hypotheses"),
    "benchmark_fitting": Mode("benchmarks.fitting", keeps_programs=False),
    "benchmark_training": Mode("benchmarks.training"),
}


def run(config: ConfigDict, workdir: str) -> None:
    """Runs the mode of a config; imports only what that mode needs.

    Raises:
      InputError: there is no such mode, or it trains and there is no workdir.
    """
    if config.mode not in MODES:
        raise InputError("config.mode", f"no mode {config.mode!r}")
    mode = MODES[config.mode]
    if mode.trains and not workdir:
        raise InputError("--workdir", "training needs a directory")
    module = importlib.import_module(f"prohmr_jax.{mode.module}")
    module.run(config, *([pathlib.Path(workdir)] if mode.trains else []))


def join_hosts(description: str) -> None:
    """Makes this process one of several that train together.

    Args:
      description: "auto" where the cluster tells (TPU pods, Slurm, Open MPI); else
        the first host's address and port, this process's number and their count.

    Raises:
      InputError: the description is neither.
    """
    if description == "auto":
        jax.distributed.initialize()
        return
    try:
        address, number, count = description.split(",")
        place = {"process_id": int(number), "num_processes": int(count)}
    except ValueError:
        raise InputError(
            "--distributed", f"{description!r}: 'auto' or 'host:port,number,count'"
        ) from None
    jax.distributed.initialize(address, **place)


def main(_) -> None:
    """Sets up logging and the compilation cache; bad input ends with code 2."""
    # Ours alone: the libraries report every file that they touch.
    # Their errors are not lost: they are raised, and end up in one line.
    absl_logging.set_verbosity(absl_logging.FATAL)
    # A failed save is one line of ours; its tasks need not tell it once more.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    log = logging.getLogger("prohmr_jax")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    mode = MODES.get(_CONFIG.value.mode)
    if _CACHE.value and mode and mode.keeps_programs:
        jax.config.update("jax_compilation_cache_dir", _CACHE.value)
        # Small programs are many; by default only those of a second are kept.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    try:
        if _DISTRIBUTED.value:
            join_hosts(_DISTRIBUTED.value)
        run(_CONFIG.value, _WORKDIR.value)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    flags.mark_flags_as_required(["config"])
    app.run(main)
