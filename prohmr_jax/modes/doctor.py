"""Runs `prohmr-jax doctor`: checks the installation and what a run would need.

`main` calls it in place of the mode that the config names.
"""

import functools
import importlib.metadata
import pathlib
import platform
from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from ml_collections import ConfigDict
from packaging.requirements import Requirement

import prohmr_jax
from prohmr_jax.detection.detector import load_detector
from prohmr_jax.errors import InputError
from prohmr_jax.files import assets
from prohmr_jax.files.atomic import require_writable
from prohmr_jax.files.body_files import read_body
from prohmr_jax.files.images import known_formats, read_image
from prohmr_jax.modes.run_checks import Check, run_checks
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.priors.pose_flow import load_pose_flow
from prohmr_jax.weights.headers import read_header
from prohmr_jax.weights.weight_files import load_weights

_DISTRIBUTION = "prohmr-jax"


def run(config: ConfigDict, workdir: pathlib.Path | None, cache: str) -> None:
    """Prints one line for each check of the installation and of a run.

    Args:
      config: config of the run; nothing of it is run.
      workdir: directory of a training run; None for other modes.
      cache: directory of compiled programs; empty if none are kept.

    Raises:
      InputError: a check found a fault; its own line was printed.
    """
    checks = [*installation_checks(cache), *run_checks(config, workdir)]
    faults = print_checks(checks)
    if faults:
        raise InputError("doctor", f"{faults} of {len(checks)} checks found a fault")
    print(f"all {len(checks)} checks passed")


def print_checks(checks: Sequence[Check]) -> int:
    """Prints what each check finds, and returns the number of faults."""
    width = max(len(check.name) for check in checks)
    faults = 0
    for check in checks:
        try:
            word, what = "ok   ", check.find()
        except InputError as error:
            word, what = "FAULT", str(error)
            faults += 1
        print(f"{word} {check.name:<{width}}  {what}", flush=True)
    return faults


def installation_checks(cache: str) -> list[Check]:
    """Returns the checks of packages, devices and files that ship.

    Args:
      cache: directory of compiled programs; empty if none are kept.
    """
    shipped: dict[str, Callable[[], object]] = {
        "open body": read_body,
        "keypoint weights": lambda: load_weights(assets.KEYPOINT_WEIGHTS),
        "regression weights": lambda: load_weights(assets.REGRESSION_WEIGHTS),
        "image encoder": lambda: read_header(assets.IMAGE_ENCODER),
        "pose prior": load_pose_prior,
        "pose flow": load_pose_flow,
        "detector": load_detector,
        "detector errors": load_detector_errors,
        "portrait": lambda: read_image(assets.DEMO_PHOTO),
    }
    return [
        Check("versions", _versions),
        Check("packages", _packages),
        Check("devices", _devices),
        Check("compilation cache", functools.partial(_compilation_cache, cache)),
        Check("photo formats", lambda: ", ".join(known_formats())),
        *(
            Check(name, functools.partial(_shipped, read))
            for name, read in shipped.items()
        ),
    ]


def _shipped(read: Callable[[], object]) -> str:
    read()
    return "ships, and can be read"


def _versions() -> str:
    packages = ("jax", "jaxlib", "flax", "numpy")
    versions = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    own = f"prohmr_jax {prohmr_jax.__version__}"
    return ", ".join([own, f"Python {platform.python_version()}", *versions])


def _packages() -> str:
    """Compares the packages that are installed with those that are required."""
    try:
        texts = importlib.metadata.requires(_DISTRIBUTION) or []
    except importlib.metadata.PackageNotFoundError:
        raise InputError(_DISTRIBUTION, "is not installed: pip install -e .") from None
    required = [
        requirement
        for requirement in map(Requirement, texts)
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""})
    ]
    faults = [fault for fault in map(package_fault, required) if fault]
    if faults:
        raise InputError("packages", "; ".join(faults))
    return f"{len(required)} required packages are installed"


def package_fault(requirement: Requirement) -> str:
    """Returns what is wrong with a required package; empty if nothing is.

    Args:
      requirement: name of the package and versions that can be used.
    """
    try:
        version = importlib.metadata.version(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{requirement} is not installed"
    if requirement.specifier.contains(version, prereleases=True):
        return ""
    return f"{requirement} is required, but {version} is installed"


def _devices() -> str:
    """Computes a product on each device."""
    try:
        devices = jax.local_devices()
        for device in devices:
            matrix = jax.device_put(np.eye(8, dtype=np.float32), device)
            product = jnp.dot(matrix, matrix, precision="highest")
            if not np.array_equal(product, np.eye(8)):
                raise InputError(str(device), "computes wrong numbers")
    except RuntimeError as error:
        raise InputError("JAX", f"finds no device that can be used: {error}") from error
    kinds = sorted({device.device_kind for device in devices})
    return f"{len(devices)} on {jax.default_backend()} ({', '.join(kinds)})"


def _compilation_cache(cache: str) -> str:
    if not cache:
        return "compiled programs are not kept"
    directory = pathlib.Path(cache).expanduser()
    require_writable(directory)
    return f"{directory} can be written"
