"""Writes the encoder of a trained model to a file, to start other trainings from.

python tools/keep_encoder.py runs/encoder/weights.npz encoder.npz

Numbers are stored in half precision, with the running statistics of batch norms.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.weights.weight_files import load_weights, save_encoder_file


def main() -> int:
    """Writes the file of the encoder; returns 0, or 2 for unusable weights."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("weights", help="weights file or training directory")
    parser.add_argument("out", help=".npz to write")
    parser.add_argument(
        "--mantissa_bits", type=int, default=10, choices=range(4, 11),
        help="bits of each number's mantissa that are kept; fewer make a smaller file",
    )  # fmt: skip
    arguments = parser.parse_args()
    try:
        spec, variables = load_weights(arguments.weights)
        encoder = {c: t["encoder"] for c, t in variables.items() if "encoder" in t}
        save_encoder_file(
            arguments.out,
            spec.encoder,
            encoder,
            mantissa_bits=arguments.mantissa_bits,
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"written  {arguments.out}: a {spec.encoder}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
