"""What the documents point at exists, and what they promise is what the program says."""

import os
import re
import tomllib
from pathlib import Path

import pytest

import maskweave as mw

ROOT = Path(__file__).parent.parent
_TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")
DOCUMENTS = [*(ROOT / name for name in _TOP), *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_relative_links_lead_somewhere(document):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert not missing


def test_the_page_of_models_has_the_table_that_the_code_gives():
    assert "<!-- from code: models -->" in (ROOT / "docs" / "model-list.md").read_text(encoding="utf-8")


def test_the_readme_is_short():
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    assert len(words) < 640  # some 480 of ours, and what the commands print


def test_every_public_name_has_its_place_on_the_page_of_the_interface():
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    missing = [
        name for name in mw.__all__ if name not in ("__version__", "errors") and f"{name}\n" not in page
    ]
    assert [name for name in missing if f"mw.{name}`" not in page] == []


def test_every_extra_is_in_the_table_of_extras():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    page = (ROOT / "docs" / "install.md").read_text(encoding="utf-8")
    assert [name for name in project["optional-dependencies"] if f"maskweave[{name}]" not in page] == []


def test_documents_install_from_the_index_first():
    pages = [page for page in DOCUMENTS if page.name not in ("CONTRIBUTING.md", "CHANGELOG.md")]
    local = [
        page.name for page in pages if re.search(r"pip install '?\.\[", page.read_text(encoding="utf-8"))
    ]
    assert local == []


def test_no_weights_lie_beside_the_models_of_the_package():
    assert list((ROOT / "src").rglob("*.pt")) == list((ROOT / "src").rglob("*.pth")) == []


@pytest.mark.parametrize(
    "name",
    ["demo", "docs", "test", "check", "install", "lock", "sbom", "test-engines", "test-lowest", "test-wheel"],
)
def test_scripts_can_be_run(name):
    assert os.access(ROOT / "scripts" / name, os.X_OK)
