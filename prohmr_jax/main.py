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
_DISTRIBUTED = flags.DEFINE_string(
    "distributed", "", "One of several hosts: 'auto', or 'host:port,number,count'."
)
_CACHE = flags.DEFINE_string(
    "compilation_cache",
    str(pathlib.Path("~/.cache/prohmr_jax").expanduser()),
    "Where compiled programs are kept for the next run; empty for nowhere.",
)


def run(config, workdir: str) -> None:
    """Runs the mode of a config; imports only what that mode needs."""
    if config.mode.startswith("train") and not workdir:
        raise InputError("--workdir", "training needs a directory")
    directory = pathlib.Path(workdir)
    match config.mode:
        case "train_keypoints":
            from prohmr_jax.modes.train_keypoints import train

            train(config, directory)
        case "train_images":
            from prohmr_jax.modes.train_images import train_images

            train_images(config, directory)
        case "evaluate_images":
            from prohmr_jax.modes.evaluate_images import run_image_evaluation

            run_image_evaluation(config)
        case "evaluate_keypoints":
            from prohmr_jax.modes.evaluate_keypoints import run_evaluation

            run_evaluation(config)
        case "evaluate_fitting":
            from prohmr_jax.modes.evaluate_fitting import run_fitting_evaluation

            run_fitting_evaluation(config)
        case "demo":
            from prohmr_jax.modes.demo import run_demo

            run_demo(config)
        case "fit":
            from prohmr_jax.modes.fit import run_fit

            run_fit(config)
        case "multiview":
            from prohmr_jax.modes.multiview import run_multiview

            run_multiview(config)
        case "benchmark":
            from prohmr_jax.benchmarks.hypotheses import run_benchmark

            run_benchmark(config)
        case "benchmark_fitting":
            from prohmr_jax.benchmarks.fitting import run_benchmark_fitting

            run_benchmark_fitting(config)
        case "benchmark_training":
            from prohmr_jax.benchmarks.training import run_benchmark_training

            run_benchmark_training(config)
        case "render_people":
            from prohmr_jax.modes.render_people import make_dataset

            make_dataset(config)
        case _:
            raise InputError("config.mode", f"no mode {config.mode!r}")


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
    # That one says how long compilation takes.
    if _CACHE.value and _CONFIG.value.mode != "benchmark_fitting":
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
