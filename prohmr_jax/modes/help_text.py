"""Writes what `prohmr-jax --help` prints; `main` calls it."""

import importlib

from prohmr_jax.modes.config_files import shipped_names

_FORMS = """\
Reconstructs 3D bodies, and how sure each is, from photos or 2D keypoints.

  prohmr-jax                    the portrait that ships
  prohmr-jax photo.jpg          the people in a photo
  prohmr-jax photos/            those in a folder of photos, of detections, or both
  prohmr-jax people.json        people whose keypoints another program detected
{video}\
  prohmr-jax view results/      shows results in a browser; --html writes a page, and
                                --host=0.0.0.0 lets other machines in
  prohmr-jax export results/    bodies as files of movement: GLB, BVH, AMASS, TRC, CSV
  prohmr-jax doctor             checks the installation; before any other form, checks
                                what that run would read and write
  prohmr-jax --config NAME      any config below, or a Python file with one

All but the last two are short for --config NAME with --config.input=PATH, which is
printed first. After them:

  --config.KEY=VALUE            sets a key of the config, such as
                                --config.output=bodies; configs/NAME.py has them all
  --workdir DIRECTORY           directory of a training run
  --distributed HOSTS           trains together with processes of other hosts: 'auto',
                                or 'host:port,number,count'
  --compilation_cache DIRECTORY where compiled programs are kept for the next run, by
                                default ~/.cache/prohmr_jax; empty: nowhere

Configs that ship:

"""
_VIDEO_FORM = "  prohmr-jax walk.mp4           the people in a video\n"
# Configs of use first; the others are sorted by name.
_FIRST = ("demo", "video", "fit", "multiview", "view", "export")


def help_text() -> str:
    """Returns the forms of the command, its options, and the configs that ship."""
    names = shipped_names()
    ordered = [name for name in _FIRST if name in names]
    ordered += [name for name in names if name not in _FIRST]
    width = max(map(len, names)) + 2
    lines = [f"  {name:<{width}}{_first_line(name)}" for name in ordered]
    forms = _FORMS.format(video=_VIDEO_FORM if "video" in names else "")
    return forms + "\n".join(lines)


def _first_line(name: str) -> str:
    """Returns the first line of a config's docstring, without its full stop."""
    module = importlib.import_module(f"prohmr_jax.configs.{name}")
    return (module.__doc__ or "").strip().splitlines()[0].removesuffix(".")
