"""Draws reports of `configs/evaluate_keypoints.py` beside each other in one picture.

python tools/draw_reports.py --output reports.png \
    --report "now=evaluation.json" --report "before=before.json"

A report is named before the equals sign, and its JSON file behind it.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.ablation_report import read_reports
from prohmr_jax.evaluation.keypoint_figure import draw_reports


def main(arguments: list[str] | None = None) -> int:
    """Draws and writes the picture; returns 0, or 2 for unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--report", action="append", required=True, help="name=file")
    parser.add_argument("--split", default="unseen-action test")
    parser.add_argument("--output", required=True, help=".png file to write")
    args = parser.parse_args(arguments)
    try:
        models = {}
        for report in args.report:
            name, equals, path = report.partition("=")
            if not equals:
                raise InputError("--report", f"{report!r} is not name=file")
            models[name] = read_reports(path)
        draw_reports(args.output, models, args.split)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"wrote {args.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
