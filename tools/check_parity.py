"""Compares this project with the numbers of the official implementation.

python tools/check_parity.py DIRECTORY

It prints a line per quantity, then how many quantities of each file were compared. The
exit code is 0 if all agree, 1 if something differs or was not compared, and 2 if the
directory cannot be used.
"""

import argparse
import sys

from prohmr_jax.errors import InputError
from prohmr_jax.parity.check import check_directory
from prohmr_jax.parity.report import Report

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("directory", help="directory of golden files")
    report = Report()
    try:
        for rows in check_directory(parser.parse_args().directory, report):
            print(*rows, sep="\n", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    print("", *report.counts, report.verdict(), sep="\n")
    sys.exit(1 if report.failed else 0)
