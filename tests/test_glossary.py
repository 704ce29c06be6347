"""Identifiers have the words of the glossary, texts their spelling: in the source, the page, tests and scripts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "maskweave"
PAGE = SOURCE / "serving" / "static"

EXCEPTIONS = {
    "_ATTACHED_PICTURE": "FFmpeg's name of a disposition",
    "largest_first": "an order, no limit",
    "largest": "an object, no limit",
    "largestFirst": "an order, no limit",
    "leastScore": "a field of results that browsers keep",
}
NEVER = re.compile(
    r"picture|film|colour|grey|centre|catalogue|licence|behaviour|neighbour|labelled|recognis|chequer",
    re.IGNORECASE,
)
"""What is wrong in any text: British spellings, and words that always have a better one."""
OTHERS = {
    "labelled_categories": "a field of COCO files",
    "aria-labelledby": "an attribute of HTML",
    "film_cpk": "FFmpeg's name of a demuxer",
    "FUJIFILM": "a maker of cameras",
    "--pictures": "the option as other converters spell it",
    "ATTACHED_PICTURE": "FFmpeg's name of a disposition",
}
TEXTS = [
    *sorted(path for path in PAGE.rglob("*") if path.suffix in {".js", ".html", ".css"}),
    *sorted(SOURCE.rglob("*.py")),
    *(
        path
        for name in ("tests", "scripts", "benchmarks")
        for path in sorted((ROOT / name).rglob("*.py"))
        if path != Path(__file__)
    ),
]


def forbidden() -> set[str]:
    """The words in the left column of the second table of the glossary."""
    text = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    rows = text.split("| not | but |\n|---|---|\n")[1].splitlines()
    cells = [re.sub(r"\(.*\)", "", row.split("|")[1]) for row in rows if row.startswith("|")]
    return {word.strip() for cell in cells for word in cell.split(",")}


def words_of(identifier: str) -> list[str]:
    """The words of a name in snake_case, kebab-case or CamelCase, in lower case."""
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


_JAVASCRIPT = re.compile(
    r"""//.*|/\*[\s\S]*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'"""  # comments and texts
    r"""|`(?P<template>(?:[^`\\]|\\.)*)`|(?P<name>[A-Za-z_$][\w$]*)"""
)


def names_in_javascript(text: str) -> Iterator[str]:
    """The names in a script, those within `${…}` of templates, too; not what stands in comments and texts."""
    for match in _JAVASCRIPT.finditer(text):
        if match["name"]:
            yield match["name"]
        for expression in re.findall(r"\$\{([^{}]*)\}", match["template"] or ""):
            yield from names_in_javascript(expression)


def names_in_markup(text: str) -> Iterator[str]:
    """Ids and classes of HTML, and classes, ids and custom properties of CSS."""
    for names in re.findall(r'\b(?:id|class|name|value|data-[\w-]+)="([^"]*)"', text):
        yield from names.split()
    yield from re.findall(r"(?:--|[.#])([A-Za-z][\w-]*)", re.sub(r'"[^"]*"|/\*[\s\S]*?\*/', "", text))


@pytest.fixture(scope="module")
def names() -> dict[str, str]:
    """Every identifier of the source, and a file that has it."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        found[path.stem] = str(path.relative_to(ROOT))
        for name in identifiers(ast.parse(path.read_text(encoding="utf-8"))):
            found[name] = str(path.relative_to(ROOT))
    return found


@pytest.fixture(scope="module")
def page_names() -> dict[str, str]:
    """Every name in the page's files, and a file that has it."""
    found = {}
    for path in sorted(path for path in PAGE.rglob("*") if path.suffix in {".js", ".html", ".css"}):
        read = names_in_javascript if path.suffix == ".js" else names_in_markup
        for name in (path.stem, *read(path.read_text(encoding="utf-8"))):
            found[name] = str(path.relative_to(ROOT))
    return found


def replaced(names: dict[str, str]) -> dict[str, str]:
    """Those of ``names`` that have a word which the glossary replaces."""
    words = forbidden()
    return {
        name: path
        for name, path in names.items()
        if words.intersection(words_of(name)) and name not in EXCEPTIONS
    }


def test_no_identifier_has_a_word_that_the_glossary_replaces(names):
    assert not replaced(names)


def test_no_name_of_the_page_has_a_word_that_the_glossary_replaces(page_names):
    assert not replaced(page_names)


def test_texts_have_the_words_of_the_field_in_american_spelling():
    wrong = {}
    for path in TEXTS:
        text = f"{path.stem}\n{path.read_text(encoding='utf-8')}"
        for name in OTHERS:
            text = text.replace(name, "")
        if lines := [line for line in text.splitlines() if NEVER.search(line)]:
            wrong[str(path.relative_to(ROOT))] = lines
    assert not wrong


def test_every_exception_is_still_needed(names, page_names):
    assert set(EXCEPTIONS) <= {*names, *page_names}


def test_the_glossary_has_its_words():
    assert {"picture", "colour", "told", "belt"} <= forbidden()


@pytest.mark.parametrize(
    ("name", "words"),
    [("_MAX_PIXELS", ["max", "pixels"]), ("FrameFeatures", ["frame", "features"]), ("picture2", ["picture"])],
)
def test_identifiers_are_split_into_words(name, words):
    assert words_of(name) == words


def test_names_of_scripts_are_those_of_the_code():
    script = "const one = `two ${three.four} five`; // six\nseven(\"eight\", '#nine'); /* ten\neleven */ this.#twelve"
    assert list(names_in_javascript(script)) == ["const", "one", "three", "four", "seven", "this", "twelve"]


def test_names_of_markup_are_ids_classes_and_custom_properties():
    assert {"one", "two", "two-three"} <= set(names_in_markup('<p id="one" class="two two-three">words</p>'))
    assert set(names_in_markup(".four { color: var(--five); } /* .six */")) == {"four", "five"}
