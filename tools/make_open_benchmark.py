"""Builds the open benchmark from packages that anyone can download.

  python tools/make_open_benchmark.py --output open_benchmark.npz

Without --packages, pip downloads two wheels, whose code is not run: pybullet has
acrobatic clips of DeepMimic's humanoid, holosoma-retargeting has people who climb. With
--held_out, the clips of the CMU capture that `tools/make_pose_bank.py` held out from
training become parts of their own. docs/open_benchmark.md describes the benchmark.
"""

import argparse
import pathlib
import subprocess
import sys
import tempfile
import zipfile

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.open_benchmark import make_benchmark, write_benchmark
from prohmr_jax.files.atomic import require_writable_file
from prohmr_jax.files.body_files import read_body
from prohmr_jax.poses.bank import HeldOutClip, read_held_out_clips
from prohmr_jax.poses.mocap.climbing import read_climbing
from prohmr_jax.poses.mocap.deepmimic import read_deepmimic
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.detector_errors import load_detector_errors

PACKAGES = ("pybullet==3.2.7", "holosoma-retargeting==0.1.0")
ACROBATICS = "pybullet_data/data/motions"
CLIMBING = "holosoma_retargeting/demo_data/climb"
# More than all members of a wheel are large.
_LARGEST_MEMBER = 1 << 28


def main(arguments: list[str] | None = None) -> int:
    """Downloads the wheels, reads their clips and writes the benchmark.

    Args:
      arguments: the command line without the program's name; None for the real one.

    Returns:
      The exit code: 0, or 2 if a package, a file or a folder cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", required=True, help="file to write, .npz")
    parser.add_argument("--packages", help="folder that holds the two wheels already")
    parser.add_argument("--held_out", help="held-out clips of make_pose_bank.py")
    parser.add_argument("--people", type=int, default=160, help="people of each part")
    args = parser.parse_args(arguments)
    if args.people < 1:
        parser.error("--people must be 1 or more")
    try:
        require_writable_file(args.output)
        with tempfile.TemporaryDirectory() as folder:
            wheels = pathlib.Path(args.packages or _download(folder))
            clips = _clips(wheels, pathlib.Path(folder) / "unpacked")
        if args.held_out:
            clips += read_held_out_clips(args.held_out)
        people = make_benchmark(
            clips, read_body("open"), load_detector_errors(), args.people
        )
        write_benchmark(args.output, people)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(
        f"{args.output}: {len(people.parts)} people in {len(set(people.parts))} parts, "
        f"{len(people.conditions)} conditions, content {people.content_hash()[:16]}"
    )
    return 0


def _download(folder: str) -> str:
    """Downloads the wheels and returns their folder."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--only-binary=:all:", "--dest", folder, *PACKAGES],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise InputError(" ".join(PACKAGES), f"cannot be downloaded: {lines[-1]}")
    return folder


def _clips(wheels: pathlib.Path, folder: pathlib.Path) -> tuple[HeldOutClip, ...]:
    for pattern, inside in (("pybullet-", ACROBATICS), ("holosoma_", CLIMBING)):
        files = sorted(wheels.glob(f"{pattern}*.whl"))
        if not files:
            raise InputError(wheels, f"holds no wheel {pattern}*.whl")
        _unpack(files[-1], inside, folder)
    read = [
        *((clip, Split.ACROBATICS) for clip in read_deepmimic(folder / ACROBATICS)),
        *((clip, Split.CLIMBING) for clip in read_climbing(folder / CLIMBING)),
    ]
    return tuple(HeldOutClip(c.name, split, c.axis_angle) for c, split in read)


def _unpack(wheel: pathlib.Path, inside: str, folder: pathlib.Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [
                member
                for member in archive.infolist()
                if member.filename.startswith(f"{inside}/")
                and member.file_size <= _LARGEST_MEMBER
            ]
            archive.extractall(folder, members)
    except (zipfile.BadZipFile, OSError) as error:
        raise InputError(wheel, f"cannot be unpacked: {error}") from error
    if not members:
        raise InputError(wheel, f"holds no {inside}")


if __name__ == "__main__":
    sys.exit(main())
