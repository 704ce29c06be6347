"""A disk that fills up in the middle of a job, and files that may not grow beyond a size.

    python benchmarks/reliability/full_disk.py [--write FILE] [--short]

Two ways: the system's limit on the size of a file (RLIMIT_FSIZE), which anyone can set, and a file system in
memory of a few megabytes (tmpfs), which only root can mount; it is left out elsewhere. Then, with room again, the
same command.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from jobs import SMALL, draw_photos, half_done, hashes, main, must, rows, run


def table(options: Any) -> str:
    """Fill both and tell."""
    lines = [
        "| what was full | exit code | told | outputs before it, whole | temporary files left | after the same "
        "command with room |",
        "|---|---:|---|---:|---:|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        count = 8 if options.short else 40
        photos = draw_photos(folder / "photos", count, size=(480, 640), noises=(10, 60))
        words = (photos, *SMALL, "--save", "overlay,coco", "--workers", "2")
        must(run(*words, "-o", folder / "whole").returncode == 0, "the job without a limit")
        whole = hashes(folder / "whole")
        size = sorted((folder / "whole" / file).stat().st_size for file in whole if file.endswith(".jpg"))
        lines.append(_small_files(words, folder, whole, size[len(size) // 2]))
        with _small_disk(folder, sum(size) // 2) as disk:
            if disk is not None:
                lines.append(_full(words, disk, whole))
    return "\n".join(lines)


def _small_files(words: tuple[Any, ...], folder: Path, whole: dict[str, str], most: int) -> str:
    """No file may have more than ``most`` bytes: half of the overlays are too large, the record is not."""
    output = folder / "small"

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))

    row = _row("files over a limit", run(*words, "-o", output, preexec_fn=limit), output, whole)
    return row + _again(words, output, whole, retry=True)


def _full(words: tuple[Any, ...], disk: Path, whole: dict[str, str]) -> str:
    """A disk with room for half of the outputs; then a larger one."""
    output = disk / "out"
    row = _row("the disk", run(*words, "-o", output), output, whole)
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
    return row + _again(words, output, whole, retry=False)


def _row(title: str, ran: subprocess.CompletedProcess[str], output: Path, whole: dict[str, str]) -> str:
    there = hashes(output)
    must(ran.returncode == 1, f"{title}: exit code {ran.returncode}: {ran.stderr}")
    must("Traceback" not in ran.stderr and "internal error" not in ran.stderr, ran.stderr)
    overlays = [name for name in there if name.endswith(".jpg")]
    must(all(whole[name] == there[name] for name in overlays), f"{title}: an output is not whole")
    must(not half_done(output), f"{title}: {half_done(output)}")
    told = [line for line in ran.stderr.splitlines() if "cannot" in line]
    must(bool(told), ran.stderr)
    reason = told[0].partition(" (")[2].partition(")")[0]
    return f"| {title} | {ran.returncode} | {reason} | {len(overlays)} of {len(whole) - 1} | 0 | "


def _again(words: tuple[Any, ...], output: Path, whole: dict[str, str], *, retry: bool) -> str:
    """With room again: what failed is asked for again where items failed, the same command where the job stopped."""
    ran = run("--retry-failed", output) if retry else run(*words, "-o", output)
    must(ran.returncode == 0, ran.stderr)
    must(hashes(output) == whole, "outputs after it are those of an undisturbed job")
    done = rows(output, "SELECT count(*) FROM items WHERE state = 'done'")[0][0]
    return f"{done} of {done}, byte-identical |"


@contextmanager
def _small_disk(folder: Path, size: int) -> Iterator[Path | None]:
    """A file system of about ``size`` bytes, or None where this user may not mount one."""
    disk = folder / "disk"
    disk.mkdir()
    kind = ["-t", "tmpfs", "-o", f"size={size}", "tmpfs"]
    mounted = os.geteuid() == 0 and subprocess.run(
        ["mount", *kind, str(disk)], capture_output=True, check=False
    )
    if not mounted or mounted.returncode:
        yield None
        return
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


if __name__ == "__main__":
    main("full_disk", __doc__ or "", lambda parser: None, table)
