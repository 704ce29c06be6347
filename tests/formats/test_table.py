"""The tables of the documents are the program's."""

from pathlib import Path

import pytest

from maskweave import formats
from maskweave.errors import InvalidValue
from maskweave.formats import FORMATS, format_named
from maskweave.formats.table import markdown_table

ROOT = Path(__file__).parent.parent.parent


def test_the_readme_has_the_table_that_the_program_works_by():
    assert markdown_table() in (ROOT / "README.md").read_text(encoding="utf-8"), (
        "put what maskweave.formats.table.markdown_table() gives into the README"
    )


def test_every_format_of_the_folder_is_in_the_table():
    folder = Path(formats.__file__).parent
    made = [
        path.stem for path in folder.glob("*.py") if "FORMAT = Format(" in path.read_text(encoding="utf-8")
    ]
    assert len(made) == len(FORMATS) == len({each.name for each in FORMATS})
    assert sorted(made) == sorted(
        name for name, module in vars(formats).items() if getattr(module, "FORMAT", None) in FORMATS
    )


def test_the_page_of_formats_tells_of_each():
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert "<!-- from code: formats -->" in text
    assert [
        each.name for each in FORMATS if f"(`{each.name}`" not in text and f", `{each.name}`)" not in text
    ] == []


def test_an_unknown_format_is_told_with_all_that_there_are():
    with pytest.raises(InvalidValue, match=r"need one of coco, .*, davis, got 'gif'"):
        format_named("gif")
