"""Runs the command line, `prohmr-jax --config NAME` or `python -m prohmr_jax.main`.

NAME is a config that ships or the path of a Python file. The config names the mode that
runs; `--config.key=value` sets one of its keys. `prohmr-jax photo.jpg` is short for the
config that takes photos; `prohmr-jax --help` lists all forms. What the run needs is
checked before it starts; `prohmr-jax doctor`, with the same options, only prints these
checks.
"""

import dataclasses
import importlib
import logging
import pathlib
import shlex
import sys
from collections.abc import Sequence

import jax
from absl import logging as absl_logging

from prohmr_jax.errors import InputError
from prohmr_jax.modes.command_line import read_command_line
from prohmr_jax.modes.config_files import describe_nearest
from prohmr_jax.modes.help_text import help_text
from prohmr_jax.training.hosts import join_hosts


@dataclasses.dataclass(frozen=True)
class Mode:
    """Says where a mode is implemented, and what the command line arranges for it."""

    module: str
    """Module below `prohmr_jax` whose function `run` takes the config."""
    trains: bool = False
    """Whether `run` takes the directory of `--workdir` as well, and needs it."""
    keeps_programs: bool = True
    """Whether programs compiled earlier may be used; not where compiling is timed."""


MODES = {
    "demo": Mode("modes.demo"),
    "fit": Mode("modes.fit"),
    "multiview": Mode("modes.multiview"),
    "video": Mode("modes.video"),
    "export": Mode("modes.export"),
    "view": Mode("modes.view"),
    "train_keypoints": Mode("modes.train_keypoints", trains=True),
    "train_images": Mode("modes.train_images", trains=True),
    "train_lifter": Mode("modes.train_lifter", trains=True),
    "ablate_keypoints": Mode("modes.ablate_keypoints", trains=True),
    "choose_data_weight": Mode("modes.choose_data_weight"),
    "evaluate_keypoints": Mode("modes.evaluate_keypoints"),
    "evaluate_lifting": Mode("modes.evaluate_lifting", trains=True),
    "evaluate_images": Mode("modes.evaluate_images"),
    "evaluate_open_benchmark": Mode("modes.evaluate_open_benchmark"),
    "evaluate_table": Mode("modes.evaluate_table"),
    "evaluate_table_fits": Mode("modes.evaluate_table_fits"),
    "evaluate_table_views": Mode("modes.evaluate_table_views"),
    "evaluate_fitting": Mode("modes.evaluate_fitting"),
    "evaluate_plausibility": Mode("modes.evaluate_plausibility"),
    "evaluate_detector": Mode("modes.evaluate_detector"),
    "evaluate_real": Mode("modes.evaluate_real"),
    "evaluate_real_video": Mode("modes.evaluate_real_video"),
    "evaluate_video": Mode("modes.evaluate_video"),
    "render_people": Mode("modes.render_people"),
    "measure_detector": Mode("modes.measure_detector"),
    "benchmark": Mode("benchmarks.hypotheses"),
    "benchmark_fitting": Mode("benchmarks.fitting", keeps_programs=False),
    "benchmark_training": Mode("benchmarks.training"),
    "benchmark_accelerator": Mode("benchmarks.accelerator"),
}
# Config files of users may still have an old name.
RENAMED_MODES = {
    "train": "train_keypoints",
    "evaluate": "evaluate_keypoints",
    "make_dataset": "render_people",
}


def find_mode(name: str, workdir: str) -> Mode:
    """Returns the mode of a name.

    Raises:
      InputError: there is no such mode, or it trains and there is no workdir.
    """
    if name in RENAMED_MODES:
        what = f"{name!r} is called {RENAMED_MODES[name]!r} now"
        raise InputError("config.mode", what)
    if name not in MODES:
        what = f"there is no mode {name!r}; {describe_nearest(name, MODES)}"
        raise InputError("config.mode", what)
    if MODES[name].trains and not workdir:
        raise InputError("--workdir", "training needs a directory")
    return MODES[name]


def log_progress() -> None:
    """Shows the messages of this package on the terminal, and none of any library.

    Libraries report every file that they touch; their errors are raised as well.
    """
    absl_logging.set_verbosity(absl_logging.FATAL)
    logging.getLogger().setLevel(logging.CRITICAL)
    log = logging.getLogger("prohmr_jax")
    log.setLevel(logging.INFO)
    log.propagate = False
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs a command line; bad input ends with one line and code 2.

    Args:
      arguments: those after the program's name; None: those of this process.
    """
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help"} & set(arguments):
        print(help_text())
        return
    log_progress()
    try:
        options, config = read_command_line(arguments)
        mode = find_mode(config.mode, options.workdir)
        if options.short_for and not options.only_checks:
            full = shlex.join(["prohmr-jax", *options.short_for])
            print(f"this is: {full}", flush=True)
        if options.compilation_cache and mode.keeps_programs:
            directory = pathlib.Path(options.compilation_cache).expanduser()
            jax.config.update("jax_compilation_cache_dir", str(directory))
            # Small programs are many; by default only those of a second are kept.
            jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
        if options.distributed:
            join_hosts(options.distributed)
        workdir = pathlib.Path(options.workdir) if mode.trains else None
        if options.only_checks:
            doctor = importlib.import_module("prohmr_jax.modes.doctor")
            doctor.run(config, workdir, options.compilation_cache)
            return
        checks = importlib.import_module("prohmr_jax.modes.run_checks")
        checks.require_ready(config, workdir)
        module = importlib.import_module(f"prohmr_jax.{mode.module}")
        module.run(config, *([workdir] if mode.trains else []))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
