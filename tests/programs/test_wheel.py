"""The wheel on its own: built, installed where no checkout is seen, and run."""

import email
import os
import pathlib
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile

import jax
import numpy as np
import pytest

from prohmr_jax.modes.config_files import shipped_names
from tests.support.paths import ROOT

PARTS = ("prohmr_jax", "configs", "README.md", "LICENSE", "setup.cfg", "pyproject.toml")


def pip(*arguments) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments],
        check=True, capture_output=True, timeout=200,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """A wheel of a copy, as an earlier build beside the sources would get into it."""
    source = tmp_path_factory.mktemp("source")
    ignore = shutil.ignore_patterns("__pycache__")
    for part in PARTS:
        if (ROOT / part).is_dir():
            shutil.copytree(ROOT / part, source / part, symlinks=True, ignore=ignore)
        else:
            shutil.copy(ROOT / part, source / part)
    offline = ("--quiet", "--no-index", "--no-deps", "--no-build-isolation")
    folder = tmp_path_factory.mktemp("wheel")
    pip("wheel", *offline, "--wheel-dir", folder, source)
    (path,) = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def programs(wheel, tmp_path_factory):
    """The folder of programs of an environment with the wheel and its dependencies.

    Folders that a .pth file names are searched, but their own .pth files are not read:
    an editable installation in the environment of the tests stays unseen.
    """
    place = tmp_path_factory.mktemp("environment")
    venv.create(place, with_pip=False)
    paths = {"base": str(place), "platbase": str(place)}
    packages = pathlib.Path(sysconfig.get_path("purelib", vars=paths))
    needed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (packages / "dependencies.pth").write_text("\n".join(sorted(needed)))
    python = place / "bin" / "python"
    pip("--python", python, "install", "--quiet", "--no-index", "--no-deps", wheel)
    return python.parent


def run(*command, folder) -> subprocess.CompletedProcess:
    hidden = {"PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"}
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=300,
        env={key: value for key, value in os.environ.items() if key not in hidden},
    )  # fmt: skip


def test_it_holds_one_package_with_the_configs(wheel):
    files = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in files}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"prohmr_jax"}
    names = {pathlib.Path(f).stem for f in files if f.startswith("prohmr_jax/configs/")}
    assert names == {"__init__", *shipped_names()}


def test_it_says_its_licences_and_brings_their_texts(wheel):
    archive = zipfile.ZipFile(wheel)
    (path,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    fields = email.message_from_bytes(archive.read(path))
    assert fields["License-Expression"] == "MIT AND Apache-2.0 AND CC0-1.0"
    texts = set(fields.get_all("License-File"))
    folder = ROOT / "prohmr_jax" / "assets"
    assets = [*folder.rglob("*LICENSE*"), *folder.rglob("NOTICE*")]
    assert texts == {"LICENSE", *(str(file.relative_to(ROOT)) for file in assets)}


def test_it_reconstructs_the_portrait_by_the_name_of_a_config(programs, tmp_path):
    where = run(
        programs / "python", "-c",
        "import prohmr_jax, importlib.util as u; print(prohmr_jax.__file__, "
        "u.find_spec('configs'), u.find_spec('tests'))",
        folder=tmp_path,
    )  # fmt: skip
    assert where.stdout.startswith(str(programs.parent)), where
    assert where.stdout.split()[1:] == ["None", "None"]
    done = run(
        programs / "prohmr-jax", "--config=demo", "--config.num_hypotheses=3",
        "--config.pictures=()", "--config.meshes=('glb',)", "--config.output=bodies",
        f"--compilation_cache={jax.config.jax_compilation_cache_dir}",
        folder=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (result,) = (tmp_path / "bodies").glob("*.npz")
    with np.load(result) as arrays:
        assert all(np.isfinite(a).all() for a in arrays.values() if a.dtype.kind == "f")
    assert (tmp_path / "bodies" / f"{result.stem}.glb").stat().st_size > 10_000


def test_a_mistake_ends_its_command_with_one_line(programs, tmp_path):
    done = run(programs / "prohmr-jax", "--config=dem", folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert (
        done.stderr == "error: --config: no config 'dem' ships; did you mean 'demo'?\n"
    )
