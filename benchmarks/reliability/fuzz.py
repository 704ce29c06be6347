"""Our readers of files that others made, fed with changed files until the time is over.

    python benchmarks/reliability/fuzz.py [--seconds 300] [--only coco] [--seed 0] [--write FILE] [--short]

With atheris (`pip install atheris`; optional) changes are steered by which code they reach; without it they are drawn
by `--seed`, which is said: the same seed draws the same files. A file must give records or one of our typed errors in
one line, and no warning. What breaks that is kept in the folder --keep, and ends the script with an error.
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import json
import random
import subprocess
import sys
import tempfile
import time
import warnings
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

from jobs import main, must

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
if "--steered" in sys.argv:  # what is imported here tells atheris where a file has led
    import atheris

    with atheris.instrument_imports(include=["maskweave"]):
        import tests.hostile.parsers  # noqa: F401
from tests.hostile.parsers import PARSERS, Parser, mutated

_MAX_BYTES = 20_000
"""Bytes of a file: what is longer takes time and reaches no other code."""
_NOTE_EVERY = 200  # files; the steered process ends without a word


def table(options: Any) -> str:
    """Feed every reader for its share of the time and tell."""
    warnings.simplefilter("error")
    if options.steered is not None:
        _steered(_named(options.only), options)
    chosen = [_named(options.only)] if options.only else list(PARSERS)
    seconds = (8 if options.short else options.seconds) / len(chosen)
    steered = importlib.util.find_spec("atheris") is not None
    if not steered:
        print(
            f"atheris is not installed (pip install atheris): changes are drawn by seed {options.seed}, unsteered"
        )
    feeding = _in_a_process if steered else _drawn
    rows = [_row(parser, feeding(parser, seconds, options)) for parser in chosen]
    by = "atheris" if steered else "a seed"
    head = f"| reader, fed by {by} | files | read whole | with problems | refused |"
    return "\n".join([head, "|---|---:|---:|---:|---:|", *rows])


def _named(name: str) -> Parser:
    found = [parser for parser in PARSERS if parser.name == name]
    must(bool(found), f"no reader {name!r}; there are {', '.join(each.name for each in PARSERS)}")
    return found[0]


def _row(parser: Parser, seen: Counter[str]) -> str:
    must(seen["whole"] > 0, f"{parser.name}: of {seen.total()} files none was read")
    return f"| {parser.name} | {seen.total():,} | {seen['whole']:,} | {seen['problems']:,} | {seen['refused']:,} |"


def _feeder(parser: Parser, folder: Path, keep: Path, seen: Counter[str]) -> Callable[[bytes], None]:
    """What reads one file, counts what came of it, and keeps one that breaks the reader."""

    def feed(data: bytes) -> None:
        try:
            outcome = parser.holds(data[:_MAX_BYTES], folder)
        except Exception as error:
            keep.mkdir(parents=True, exist_ok=True)
            place = keep / f"{parser.name}-{hashlib.sha256(data).hexdigest()[:12]}"
            place.write_bytes(data)
            must(False, f"{parser.name}: {type(error).__name__}: {str(error)[:300]}; {place}")
        seen[
            "whole" if not outcome else "refused" if outcome.partition(":")[0].isidentifier() else "problems"
        ] += 1

    return feed


def _drawn(parser: Parser, seconds: float, options: Any) -> Counter[str]:
    """The valid file, then changes of it, and now and then bytes of any kind."""
    seen: Counter[str] = Counter()
    end = time.monotonic() + seconds
    with parser.folder() as folder:
        feed = _feeder(parser, folder, options.keep, seen)
        feed(parser.valid)
        for number in count():
            if time.monotonic() >= end:
                return seen
            rng = random.Random(f"{options.seed} {parser.name} {number}")
            feed(mutated(parser.valid, rng) if number % 10 else rng.randbytes(rng.randrange(400)))
    return seen


def _in_a_process(parser: Parser, seconds: float, options: Any) -> Counter[str]:
    """Files made by atheris, whose engine ends the process that it runs in."""
    with tempfile.TemporaryDirectory() as name:
        notes = Path(name) / "notes.json"
        words = [
            "--steered",
            notes,
            "--only",
            parser.name,
            "--seconds",
            max(1, round(seconds)),
            "--keep",
            options.keep,
        ]
        command = [sys.executable, __file__, *map(str, words)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False)
        must(ran.returncode == 0, f"{parser.name}: {ran.stderr[-2000:]}")
        return Counter(json.loads(notes.read_text(encoding="utf-8")))


def _steered(parser: Parser, options: Any) -> None:
    """Be that process; it does not come back."""
    seen: Counter[str] = Counter()
    with parser.folder() as folder, tempfile.TemporaryDirectory() as corpus:
        (Path(corpus) / "valid").write_bytes(parser.valid)
        feed = _feeder(parser, folder, options.keep, seen)

        def one(data: bytes) -> None:
            feed(data)
            if seen.total() % _NOTE_EVERY == 1:
                options.steered.write_text(json.dumps(seen), encoding="utf-8")

        limits = [
            f"-max_total_time={options.seconds:.0f}",
            f"-max_len={_MAX_BYTES}",
            "-rss_limit_mb=4000",
            corpus,
        ]
        atheris.Setup([sys.argv[0], *limits], one)
        atheris.Fuzz()


def _options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--seconds", type=float, default=300, help="for all readers together")
    parser.add_argument("--only", help=f"one reader: {', '.join(each.name for each in PARSERS)}")
    parser.add_argument("--seed", type=int, default=0, help="of the changes, where atheris is not installed")
    parser.add_argument(
        "--keep", type=Path, default=Path("fuzz-found"), help="folder for what breaks a reader"
    )
    parser.add_argument("--steered", type=Path, help=argparse.SUPPRESS)


if __name__ == "__main__":
    main("fuzz", __doc__ or "", _options, table)
