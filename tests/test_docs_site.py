"""The documentation site builds without a warning, and no page is left out of it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return folder


def test_every_page_is_in_the_navigation(site):
    listed = set(re.findall(r"\b([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.M))
    assert listed == {page.name for page in (ROOT / "docs").glob("*.md")}
    assert all((site / Path(page).stem / "index.html").is_file() for page in listed if page != "index.md")


def test_tables_come_from_the_code(site):
    assert "mask-rcnn-inception-v2" in (site / "model-list" / "index.html").read_text(encoding="utf-8")
    assert "maskweave evaluate davis" in (site / "cli" / "index.html").read_text(encoding="utf-8")
    assert not [page for page in site.rglob("*.html") if "<!-- from code" in page.read_text(encoding="utf-8")]


def test_nothing_is_fetched_from_elsewhere(site):
    pages = [page.read_text(encoding="utf-8") for page in site.rglob("*.html")]
    assert not [page for page in pages if re.search(r"<(script|link|img)[^>]+(src|href)=\"https?:", page)]
