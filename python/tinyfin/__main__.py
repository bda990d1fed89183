# SPDX-License-Identifier: Apache-2.0
"""python -m tinyfin env: the settings, their values and what they mean."""
import sys

from . import settings


def main(args):
    if args != ["env"]:
        sys.exit("usage: python -m tinyfin env")
    rows = [tuple(map(str, row)) for row in settings()]
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(len(rows[0]) - 1)] if rows else []
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]))


if __name__ == "__main__":
    main(sys.argv[1:])
