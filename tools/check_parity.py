"""Compares this project with a directory of golden numbers.

  python tools/check_parity.py DIRECTORY

Prints a line per quantity, then what was compared of what is present. Exit code 0 if
all agrees, 1 if something differs or was not compared, 2 without a usable directory.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.parity.check import check_directory
from prohmr_jax.parity.report import Report

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", help="in the format of the golden files")
    report = Report()
    try:
        for rows in check_directory(parser.parse_args().directory, report):
            print(*rows, sep="\n", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("", *report.counts, report.verdict(), sep="\n")
    sys.exit(1 if report.failed else 0)
