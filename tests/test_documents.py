"""What the documents point at exists, and what they promise is what the program says."""

import os
import re
from pathlib import Path

import pytest

from maskweave.catalogue.entries import ENTRIES

ROOT = Path(__file__).parent.parent
_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
DOCUMENTS = [*(ROOT / name for name in _TOP), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_the_readme_lists_every_model_with_its_licence():
    rows = [
        line
        for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
        if line.startswith("| `")
    ]
    for entry in ENTRIES:
        (row,) = [line for line in rows if f"`{entry.name}` |" in line]
        assert entry.licence in row


@pytest.mark.parametrize(
    "name",
    ["demo", "docs", "test", "check", "install", "lock", "sbom", "test-engines", "test-lowest", "test-wheel"],
)
def test_scripts_can_be_run(name):
    assert os.access(ROOT / "scripts" / name, os.X_OK)
