"""Identifiers of the source use the words of the glossary."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "maskweave"

EXCEPTIONS = {
    "_ATTACHED_PICTURE": "FFmpeg's name of a disposition",
    "largest_first": "an order, no limit",
}


def forbidden() -> set[str]:
    """The words in the left column of the second table of the glossary."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = text.split("| not | but |\n|---|---|\n")[1].splitlines()
    cells = [re.sub(r"\(.*\)", "", row.split("|")[1]) for row in rows if row.startswith("|")]
    return {word.strip() for cell in cells for word in cell.split(",")}


def words_of(identifier: str) -> list[str]:
    """The words of a name in snake_case or CamelCase, in lower case."""
    return re.findall(r"[a-z]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower())


def identifiers(tree: ast.AST) -> Iterator[str]:
    """What a module names itself: functions, classes, arguments, variables, attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """Every identifier, and a file that has it."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        found[path.stem] = str(path.relative_to(ROOT))
        for name in identifiers(ast.parse(path.read_text(encoding="utf-8"))):
            found[name] = str(path.relative_to(ROOT))
    return found


def test_no_identifier_has_a_word_that_the_glossary_replaces(names):
    words = forbidden()
    wrong = {
        name: path
        for name, path in names.items()
        if words.intersection(words_of(name)) and name not in EXCEPTIONS
    }
    assert not wrong


def test_every_exception_is_still_needed(names):
    assert set(EXCEPTIONS) <= set(names)


def test_the_glossary_has_its_words():
    assert {"picture", "colour", "told", "belt"} <= forbidden()


@pytest.mark.parametrize(
    ("name", "words"),
    [("_MAX_PIXELS", ["max", "pixels"]), ("FrameFeatures", ["frame", "features"]), ("picture2", ["picture"])],
)
def test_identifiers_are_split_into_words(name, words):
    assert words_of(name) == words
