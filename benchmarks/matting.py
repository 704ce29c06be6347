"""What --refine-edges gives: a drawn flower whose alpha is known, its mask a little too large, and the refined matte.

    python benchmarks/matting.py [--write docs/semantic-and-cutouts.md] [--short]

Errors are means over the pixels at the edge: of alpha in 0..1, and of the image before white, in 0..255, with the
mask and the photo's colors, and with the matte and its own. Memory is what Python and NumPy hold at the most
(tracemalloc) beyond the image and the mask. Each size is also timed once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from measuring import Way, machine, peak_bytes, replace_between_marks

from maskweave.ops.matting import refine_edges

_SIZES = ((240, 320), (1200, 1600), (3000, 4000))
_SHORT = ((120, 160), (180, 240))


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true", help="small images: does it still run?")
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    refine_edges(*_warm_up())
    lines = [
        "| image | alpha: mask | refined | before white: mask | refined | memory | of it the result | seconds |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
        *(row(size) for size in (_SHORT if options.short else _SIZES)),
    ]
    text = "\n".join(lines) + f"\n\n{machine('numpy', 'opencv-python-headless', 'pymatting', 'numba')}"
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, "matting", text)


def _warm_up() -> tuple[np.ndarray, np.ndarray]:
    """A small job that loads pymatting and its compiled code."""
    _, _, image = flower((60, 80), 4)
    return image, np.hypot(*np.mgrid[-30:30, -40:40]) < 18


def row(size: tuple[int, int]) -> str:
    """One line of the table."""
    alpha, colors, image = flower(size, max(6, min(size) / 100))
    rough = cv2.dilate((alpha > 0.5).view(np.uint8), disc(max(size) / 250)).view(bool)
    edge = cv2.dilate(((alpha > 0) & (alpha < 1)).view(np.uint8), disc(max(size) / 200)).view(bool)
    begin = time.perf_counter()
    matte = refine_edges(image, rough)
    seconds = time.perf_counter() - begin
    peak = peak_bytes(Way("refine", lambda: refine_edges(image, rough)))
    result = matte.alpha.nbytes + matte.colors.nbytes
    truth, hard = before_white(alpha, colors, edge), rough.astype(np.float32)
    errors = (
        f"{np.abs(hard - alpha)[edge].mean():.3f}",
        f"{np.abs(matte.alpha - alpha)[edge].mean():.3f}",
        f"{np.abs(before_white(hard, image, edge) - truth).mean():.1f}",
        f"{np.abs(before_white(matte.alpha, matte.colors, edge) - truth).mean():.1f}",
    )
    name = f"{size[1]}x{size[0]}"
    return f"| {name} | {' | '.join(errors)} | {peak / 1e6:.0f} MB | {result / 1e6:.0f} MB | {seconds:.1f} |"


def flower(size: tuple[int, int], soft: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Alpha (H, W) whose edge is ``soft`` pixels wide, the flower's colors (H, W, 3), and the image, uint8."""
    height, width = size
    y, x = np.mgrid[:height, :width].astype(np.float32)
    angle, radius = np.arctan2(y - height / 2, x - width / 2), np.hypot(y - height / 2, x - width / 2)
    alpha = np.clip((min(size) * (0.3 + 0.03 * np.sin(9 * angle)) - radius) / soft + 0.5, 0, 1)
    colors = np.stack([200 + 30 * np.sin(x / 9), 60 + 20 * np.sin(y / 7), 40 + 0 * x], -1)
    behind = np.stack([30 + 0 * x, 90 + 30 * np.sin(x / 11), 180 + 30 * np.sin(y / 13)], -1)
    noise = np.random.default_rng(0).normal(0, 2, (*size, 3)).astype(np.float32)
    seen = alpha[..., None] * colors + (1 - alpha[..., None]) * behind + noise
    return alpha, colors, np.clip(np.rint(seen), 0, 255).astype(np.uint8)


def before_white(alpha: np.ndarray, colors: np.ndarray, where: np.ndarray) -> np.ndarray:
    """(N, 3) colors before white at the chosen pixels."""
    share = alpha[where][:, None]
    return share * colors[where] + (1 - share) * 255


def disc(radius: float) -> np.ndarray:
    """A structuring element."""
    side = 2 * max(1, round(radius)) + 1
    return cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))


if __name__ == "__main__":
    main()
