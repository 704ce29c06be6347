"""A thousand inputs, one in twenty broken in a way of its own.

    python benchmarks/reliability/broken.py [--inputs 1000] [--write FILE] [--short]

Empty files, text, noise, a damaged header, images cut short, a PNG with a wrong checksum, one that unpacks to far
more than the budget, links that lead to themselves.
"""

from __future__ import annotations

import json
import struct
import tempfile
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from jobs import SMALL, draw_photos, hashes, main, must, run


def table(options: Any) -> str:
    """Do the job and tell."""
    count = 40 if options.short else options.inputs
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = draw_photos(folder / "photos", count, suffix=".png")
        broken = sorted(photos.iterdir())[10::20]
        for number, path in enumerate(broken):
            spoil(path, number)
        ran = run(photos, *SMALL, "-o", folder / "out", "--save", "masks,coco", "--json")
        lines = [json.loads(line) for line in ran.stdout.splitlines()]
        failed = [line for line in lines if not line["ok"]]
        masks = [file for file in hashes(folder / "out") if file.endswith(".png")]
        coco = json.loads((folder / "out" / "coco.json").read_text())
        named = {line["input"] for line in failed if Path(line["input"]).name in line["error"]}
    must(ran.returncode == 1, f"exit code {ran.returncode}: {ran.stderr}")
    must(named == {str(path) for path in broken}, f"named: {len(named)}, broken: {len(broken)}")
    must(len(masks) == len(coco["images"]) == count - len(broken), f"{len(masks)} outputs")
    kinds = ", ".join(
        f"{kind} {times}" for kind, times in Counter(line["kind"] for line in failed).most_common()
    )
    return (
        "| inputs | broken | outputs | failures that name their file | exit code | kinds |\n"
        "|---:|---:|---:|---:|---:|---|\n"
        f"| {count:,} | {len(broken)} | {len(masks)} | {len(named)} | {ran.returncode} | {kinds} |"
    )


def spoil(path: Path, number: int) -> None:
    """Break a PNG, each number in another way."""
    whole = path.read_bytes()
    rng = np.random.default_rng(number)
    ways = (
        lambda: path.write_bytes(b""),
        lambda: path.write_text("not an image\n"),
        lambda: path.write_bytes(rng.bytes(2000)),
        lambda: path.write_bytes(whole[:4] + rng.bytes(60) + whole[64:]),
        lambda: path.write_bytes(whole[: len(whole) // 2]),
        lambda: path.write_bytes(whole[:-30]),
        lambda: path.write_bytes(whole[:400] + bytes([whole[400] ^ 1]) + whole[401:]),
        lambda: path.write_bytes(_huge()),
        lambda: (path.unlink(), path.symlink_to(path)),
    )
    ways[number % len(ways)]()


def _huge() -> bytes:
    """A PNG of 1 KB that says it has 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(180_001))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


if __name__ == "__main__":
    main(
        "broken", __doc__ or "", lambda parser: parser.add_argument("--inputs", type=int, default=1000), table
    )
