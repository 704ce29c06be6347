"""Random videos: containers, codecs, rates, offsets, rotations, shapes, layouts and damage.

    python benchmarks/reliability/videos.py [--videos 400] [--seed 0] [--write FILE] [--short]

Each is white and loud at known moments. What is read must have all its frames in order and of the size as shown; what
is written must last as long and be white and loud at those moments, to 40 ms and a frame; what is missing must be
told. The clips are written by the `ffmpeg` of this machine, and by PyAV where there is none or with --short.
What fails is kept in the folder --keep, and ends the script with an error.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from jobs import main, must

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.hostile.random_videos import SECONDS, Case, finish, problems, random_case, write

_SHORT = 12
_FORMATS = {"ts": "mpegts", "mpg": "vob", "mkv": "matroska"}
_CHANNELS = {"mono": 1, "stereo": 2, "5.1": 6}
_MARKS = "between(mod(t\\,2)\\,0.4\\,0.519)+between(mod(t\\,2)\\,1.2\\,1.319)"


def table(options: Any) -> str:
    """Write, read, copy and check each, and tell by container."""
    count = _SHORT if options.short else options.videos
    use_ffmpeg = shutil.which("ffmpeg") is not None and not options.short
    seen: Counter[str] = Counter()
    damaged: Counter[str] = Counter()
    faults: dict[str, list[str]] = {}
    with tempfile.TemporaryDirectory() as name:
        for seed in range(options.seed, options.seed + count):
            case = random_case(seed)
            path, result = Path(name) / f"{seed}.{case.container}", Path(name) / "out.mp4"
            (_write_with_ffmpeg if use_ffmpeg else write)(case, path)
            seen[case.container] += 1
            damaged[case.container] += case.damage != "none"
            if found := problems(case, path, result):
                faults.setdefault(case.container, []).append(f"{case}: {'; '.join(found)}")
                options.keep.mkdir(exist_ok=True)
                shutil.copy(path, options.keep)
            path.unlink()
    must(not faults, "\n".join(each for told in faults.values() for each in told))
    rows = [
        f"| {name} | {seen[name]} | {damaged[name]} | {len(faults.get(name, []))} |" for name in sorted(seen)
    ]
    total = f"| all | {seen.total()} | {damaged.total()} | 0 |"
    by = "ffmpeg" if use_ffmpeg else "PyAV"
    head = f"| container, written by {by} | videos | of them damaged | wrong |"
    return "\n".join([head, "|---|---:|---:|---:|", *rows, total])


def _write_with_ffmpeg(case: Case, path: Path) -> None:
    """The clip of `random_videos.write`, by the program."""
    height, width = case.size
    image = f"color=0x1e1e1e:s={width}x{height}:r={case.rate}:d={SECONDS}"
    lit = f"drawbox=c=0xebebeb:t=fill:enable='{_MARKS}',setsar={case.aspect}"
    words = ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", f"{image},{lit}"]
    if case.audio is not None:
        channels = [f"0.5*sin(2*PI*1000*t)*({_MARKS})"] * _CHANNELS[case.layout]
        tone = f"aevalsrc={'|'.join(channels)}:s=48000:d={SECONDS}:c={case.layout}"
        words += ["-f", "lavfi", "-i", tone, "-c:a", case.audio]
    words += ["-c:v", case.video, "-g", "12", "-pix_fmt", "yuvj420p" if case.video == "mjpeg" else "yuv420p"]
    if case.b_frames:
        words += ["-bf", str(case.b_frames)]
    if case.begin:
        words += ["-output_ts_offset", str(case.begin)]
    words += ["-strict", "-2", "-f", _FORMATS.get(case.container, case.container), str(path)]
    subprocess.run(words, check=True)
    finish(case, path)


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--videos", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="of the first video; each has the next number")
    parser.add_argument(
        "--keep", type=Path, default=Path("videos-found"), help="folder for what is read wrongly"
    )


if __name__ == "__main__":
    main("videos", __doc__ or "", _options, table)
