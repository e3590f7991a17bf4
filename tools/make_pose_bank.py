"""Builds the bank of training poses and the file of held-out clips from a capture.

  python tools/make_pose_bank.py --capture cmu_mocap_expmap.npz cmu_asfamc \
      --output poses.npz --held_out held_out.npz

A capture is a prepared NPZ file or a folder of original .asf and .amc files.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import require_writable_file
from prohmr_jax.poses.bank import write_held_out_clips, write_pose_bank
from prohmr_jax.poses.build_bank import build_pose_bank
from prohmr_jax.poses.mocap.training_clips import read_captures, training_clips


def main(arguments: list[str] | None = None) -> int:
    """Builds and writes the files.

    Args:
      arguments: the command line without the program's name; None for the real one.

    Returns:
      The exit code: 0, or 2 if a file cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--capture", nargs="+", required=True, help="prepared .npz files and folders"
    )
    parser.add_argument("--output", required=True, help="bank of poses to write, .npz")
    parser.add_argument("--held_out", help="file of held-out clips to write, .npz")
    parser.add_argument(
        "--num_poses", type=int, default=300_000, help="approximate size of the bank"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the random poses")
    args = parser.parse_args(arguments)
    try:
        require_writable_file(args.output)
        if args.held_out:
            write_held_out_clips(args.held_out, read_captures(args.capture))
        clips = training_clips(args.capture)
        bank = build_pose_bank(clips, args.num_poses, args.seed)
        write_pose_bank(args.output, bank)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {len(bank)} poses of {len(clips)} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main())
