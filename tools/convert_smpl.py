"""Converts an SMPL body file to an `.npz` that holds nothing but plain arrays.

python tools/convert_smpl.py SMPL_NEUTRAL.pkl smpl_neutral.npz
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body_arrays, write_body


def main() -> int:
    """Converts the file; returns the exit code: 0, or 2 if a file cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="official .pkl or .npz file, or a folder")
    parser.add_argument("output", help="body file to write, .npz")
    parser.add_argument(
        "--j19",
        help="SMPL_to_J19.pkl (default: in the folder of the input or the one above)",
    )
    args = parser.parse_args()
    try:
        body = read_body_arrays(args.input, extra_regressor=args.j19)
        write_body(args.output, body)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    vertices, _, betas = body.shapedirs.shape
    print(f"{args.output}: {vertices} vertices, {betas} shape directions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
