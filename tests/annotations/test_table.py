"""The tables of the documents are the program's."""

from pathlib import Path

import pytest

from maskweave import annotations
from maskweave.annotations.table import TABLE, format_named, formats, markdown_table
from maskweave.errors import InvalidValue

ROOT = Path(__file__).parent.parent.parent


def test_the_table_of_the_documents_has_a_row_for_every_format():
    rows = markdown_table().splitlines()[2:]
    assert sorted(row.split("`")[1] for row in rows) == sorted(TABLE)


def test_every_format_of_the_folder_is_in_the_table():
    folder = Path(annotations.__file__).parent
    made = [path.stem for path in folder.glob("*.py") if "\nFORMAT = " in path.read_text(encoding="utf-8")]
    assert sorted(made) == sorted(row.module.rpartition(".")[2] for row in TABLE.values())
    assert [each.name for each in formats()] == list(TABLE)


def test_the_page_of_formats_describes_each():
    text = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert "<!-- from code: formats -->" in text
    assert [name for name in TABLE if f"(`{name}`" not in text and f", `{name}`)" not in text] == []


def test_an_unknown_format_is_told_with_all_that_there_are():
    with pytest.raises(InvalidValue, match=r"need one of coco, .*, davis, got 'gif'"):
        format_named("gif")
