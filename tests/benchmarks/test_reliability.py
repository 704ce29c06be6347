"""The promises of docs/reliability.md hold in the short form of each script, which writes its table alone."""

import os
import secrets
import shutil
import subprocess
import sys

import pytest

from tests.benchmarks.test_short_forms import ROOT, parts

NAMES = [
    "killed",
    "full_disk",
    "broken",
    "fuzz",
    "memory",
    "stream",
    "speed",
    "simulate",
    "cluster",
    "videos",
]


@pytest.mark.skipif(sys.platform != "linux", reason="needs signals, resource limits and /proc")
@pytest.mark.parametrize("name", NAMES)
def test_the_promise_holds(name, tmp_path):
    if name in ("cluster", "speed"):
        pytest.importorskip("ray", reason="needs the extra [ray]")
    copy = shutil.copy(ROOT / "docs" / "reliability.md", tmp_path)
    before = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
    command = [sys.executable, ROOT / "benchmarks" / "reliability" / f"{name}.py", "--short", "--write", copy]
    environment = {
        **os.environ,
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
    }  # none is written into the home folder
    ran = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", env=environment, check=False
    )
    assert ran.returncode == 0, ran.stderr
    head, table, tail = parts((tmp_path / "reliability.md").read_text(encoding="utf-8"), name)
    assert (head, tail) == (parts(before, name)[0], parts(before, name)[2])
    rows = [line.split("|") for line in table.splitlines() if line.startswith("|")]
    assert len(rows) > 2
    assert {len(row) for row in rows} == {len(rows[0])}


def test_every_script_is_tested():
    scripts = {path.stem for path in (ROOT / "benchmarks" / "reliability").glob("*.py")}
    assert scripts - {"jobs"} == set(NAMES)
