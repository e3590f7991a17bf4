"""Converts official ProHMR weights, or a ResNet of torchvision, without PyTorch.

python tools/convert_checkpoint.py prohmr_resnet50.pt weights/prohmr
python tools/convert_checkpoint.py proskeleton.pt weights/lifter
python tools/convert_checkpoint.py resnet50-0676ba61.pth weights/resnet50
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.weights.conversion import convert_checkpoint


def main() -> int:
    """Converts a file and prints a report; returns 0, or 2 for unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("input", help="file of torch.save (.pt, .pth) or .safetensors")
    parser.add_argument("output", help="directory to make")
    args = parser.parse_args()
    try:
        print(convert_checkpoint(args.input, args.output))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"written  {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
