"""Benchmarks that have a short form still run, agree with their peers, and write their table into its document."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SHORT = {
    "masks": "performance.md",
    "startup": "performance.md",
    "video": "performance.md",
    "folder": "performance.md",
    "tiling": "large-and-scientific.md",
    "matting": "semantic-and-cutouts.md",
    "page": "server.md",
}  # script: the document under docs/ that holds its table


@pytest.mark.parametrize(("name", "document"), SHORT.items())
def test_the_short_form_replaces_the_table_and_nothing_else(name, document, tmp_path):
    if name == "page":
        pytest.importorskip("fastapi", reason="needs the extra [serve]")
        pytest.importorskip("playwright", reason="needs playwright")
        if not Path("/usr/bin/chromium").exists():
            pytest.skip("needs /usr/bin/chromium, which is not installed")
    copy = Path(shutil.copy(ROOT / "docs" / document, tmp_path))
    before = copy.read_text(encoding="utf-8")
    command = [sys.executable, ROOT / "benchmarks" / f"{name}.py", "--short", "--write", copy]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", check=False)
    assert ran.returncode == 0, ran.stderr
    head, table, tail = parts(copy.read_text(encoding="utf-8"), name)
    assert (head, tail) == (parts(before, name)[0], parts(before, name)[2])
    rows = [line.split("|") for line in table.splitlines() if line.startswith("|")]
    assert len(rows) > 3
    assert {len(row) for row in rows} == {len(rows[0])}
    assert "".join(rows[1]).strip("-:") == ""
    assert all(row in ran.stdout for row in table.splitlines())


def parts(text, mark):
    """What stands before, between and after the marks of a table."""
    before, rest = text.split(f"<!-- {mark} -->")
    between, after = rest.split(f"<!-- end of {mark} -->")
    return before, between, after
