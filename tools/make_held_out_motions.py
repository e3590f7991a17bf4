"""Writes clips of motion of other kinds than training's, to evaluate weights on.

  python tools/make_held_out_motions.py --output other.npz \
      --acrobatics pybullet_data/data/motions \
      --climbing holosoma_retargeting/demo_data/climb

docs/evaluation.md says where the folders come from.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import require_writable_file
from prohmr_jax.poses.bank import write_held_out_clips
from prohmr_jax.poses.mocap.climbing import read_climbing
from prohmr_jax.poses.mocap.deepmimic import read_deepmimic
from prohmr_jax.poses.mocap.splits import Split


def main(arguments: list[str] | None = None) -> int:
    """Reads the clips and writes the file.

    Args:
      arguments: the command line without the program's name; None for the real one.

    Returns:
      The exit code: 0, or 2 if a folder or a file cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--acrobatics", help="folder of DeepMimic's humanoid3d_*.txt")
    parser.add_argument("--climbing", help="folder of joint positions, */*.npy")
    parser.add_argument("--output", required=True, help="file to write, .npz")
    args = parser.parse_args(arguments)
    if not (args.acrobatics or args.climbing):
        parser.error("name a folder by --acrobatics or by --climbing")
    try:
        require_writable_file(args.output)
        clips = []
        if args.acrobatics:
            read = read_deepmimic(args.acrobatics)
            clips += [(clip, Split.ACROBATICS) for clip in read]
        if args.climbing:
            read = read_climbing(args.climbing)
            clips += [(clip, Split.CLIMBING) for clip in read]
        write_held_out_clips(args.output, clips)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    num_frames = sum(len(clip.axis_angle) for clip, _ in clips)
    print(f"{args.output}: {len(clips)} clips, {num_frames} frames")
    return 0


if __name__ == "__main__":
    sys.exit(main())
