"""The mean of the weights of several training runs that left from the same ones.

    python scripts/mean_weights.py run-4/last.pt run-5/last.pt:2 -o mean.pt

Model soups (https://arxiv.org/abs/2203.05482): often better than either, at no cost. A number after a colon is a
checkpoint's share. Give the result to `maskweave train --start`, or to scripts/ship_weights.py.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from maskweave.training.start import save_small


def main() -> None:
    """Average what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("checkpoints", nargs="+", type=_with_share, help="FILE or FILE:SHARE")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    save_small(options.checkpoints, options.output)


def _with_share(text: str) -> tuple[Path, float]:
    name, share = re.fullmatch(r"(.+?)(?::([0-9.]+))?", text, re.DOTALL).groups()
    return Path(name), float(share or 1)


if __name__ == "__main__":
    main()
