"""Converts the files of a dataset's authors to a dataset; see docs/datasets.md.

python tools/make_dataset.py annotations --annotations h36m_train.npz \
      --images h36m/images --output datasets/h36m_train
python tools/make_dataset.py multiview --annotations h36m_multiview.pkl \
      --images h36m/images --split val --output datasets/h36m_multiview
python tools/make_dataset.py 3dpw --annotations 3DPW/sequenceFiles/test \
      --images 3DPW --split test --output datasets/3dpw_test \
      --body_male SMPL_MALE.pkl --body_female SMPL_FEMALE.pkl
python tools/make_dataset.py h36m --annotations h36m --images h36m/images \
      --subjects S9 S11 --split val --output datasets/h36m_val
"""

import argparse
import logging
import sys
from collections.abc import Iterable
from typing import get_args

from prohmr_jax.data.datasets.annotations import BoxUnit, Layout, read_annotations
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.h36m import TRAIN_SUBJECTS, h36m_records
from prohmr_jax.data.datasets.multiview_annotations import read_multiview
from prohmr_jax.data.datasets.pw3d import sequence_records
from prohmr_jax.data.datasets.pw3d_files import find_sequences
from prohmr_jax.data.records import PersonRecord
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body


def main(arguments: list[str] | None = None) -> int:
    """Writes the dataset; returns 0, or 2 for unusable input."""
    args = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        tally = write_dataset(
            args.output,
            "people",
            {args.split: _KINDS[args.kind](args)},
            images=args.images,
            box_px=args.box_px,
            settings={name: str(value) for name, value in vars(args).items()},
            num_threads=args.num_threads,
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {tally.people[args.split]} people, {tally.skipped} skipped")
    print(f"labels of {tally.labels[args.split].describe()}")
    return 0


def _annotations(args: argparse.Namespace) -> Iterable[PersonRecord]:
    return read_annotations(
        args.annotations, layout=args.layout, box_unit=args.box_unit
    )


def _multiview(args: argparse.Namespace) -> Iterable[PersonRecord]:
    return read_multiview(args.annotations, box_unit=args.box_unit)


def _pw3d(args: argparse.Namespace) -> Iterable[PersonRecord]:
    files = {"m": args.body_male or args.body, "f": args.body_female or args.body}
    if not all(files.values()):
        raise InputError("--body", "is needed, or both --body_male and --body_female")
    bodies = {gender: read_body(file) for gender, file in files.items()}
    files = find_sequences(args.annotations)
    return sequence_records(files, bodies, args.every or 1)


def _h36m(args: argparse.Namespace) -> Iterable[PersonRecord]:
    return h36m_records(args.annotations, args.subjects, args.cameras, args.every or 5)


_KINDS = {"annotations": _annotations, "multiview": _multiview, "3dpw": _pw3d,
          "h36m": _h36m}  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("kind", choices=_KINDS)
    add("--annotations", required=True, help="file, or folder of files")
    add("--images", required=True, help="folder of photos")
    add("--output", required=True, help="directory to make")
    add("--split", default="train", help="name of the split, such as train or test")
    add("--box_px", type=_positive, help="store cut-outs with boxes of at most so many "
        "pixels, not whole photos; 256 suits an input of 224")  # fmt: skip
    add("--num_threads", type=_positive, default=4)
    group = parser.add_argument_group("annotations, multiview")
    add = group.add_argument
    add("--layout", choices=get_args(Layout), default="auto")
    add("--box_unit", choices=get_args(BoxUnit), default="auto", help="unit of `scale`")
    group = parser.add_argument_group("3dpw")
    add = group.add_argument
    add("--body_male", help="SMPL's body file")
    add("--body_female", help="SMPL's body file")
    add("--body", help="SMPL's body file for both genders")
    group = parser.add_argument_group("h36m")
    add = group.add_argument
    add(
        "--subjects",
        nargs="+",
        default=TRAIN_SUBJECTS,
        help="default: the training set",
    )
    add(
        "--cameras",
        nargs="+",
        default=(),
        help="default: all; protocol 2 has 60457274 only",
    )
    group = parser.add_argument_group("3dpw, h36m")
    add = group.add_argument
    add("--every", type=_positive, help="take every n-th frame (default: 1, and 5)")
    return parser


def _positive(text: str) -> int:
    if (number := int(text)) < 1:
        raise argparse.ArgumentTypeError("must be 1 or more")
    return number


if __name__ == "__main__":
    sys.exit(main())
