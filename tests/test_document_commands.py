"""Every command of the documents is one that the program takes, and the Python of the documents is Python."""

import re
import shlex
from pathlib import Path

import pytest
import typer.main

import maskweave as mw
from maskweave.cli.app import app

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"^(?:    |\$ )(?:[A-Z_]+=\S* )*maskweave ((?:.*\\\n)*.*)$", re.MULTILINE)
INLINE = re.compile(r"`maskweave ([^`]+)`")
SIDE_BY_SIDE = " |  "
"""Between the Python of two programs."""


def cases(pattern):
    """The words of each command on each page, without a comment or what follows a pipe."""
    found = {}
    for page in PAGES:
        for line in pattern.findall(page.read_text(encoding="utf-8")):
            words = shlex.split(line.replace("\\\n", " "), comments=True)
            ends = [place for place, word in enumerate(words) if word in ("|", "&&", ";", ">")]
            words = words[: ends[0]] if ends else words
            if words and not any("…" in word for word in words):
                found[f"{page.name}: {' '.join(words)}"] = words
    return [pytest.param(words, id=name) for name, words in sorted(found.items())]


def command_of(words):
    """The command that the first words name, its context's parent, and the words after them."""
    command, parent, rest = typer.main.get_command(app), None, list(words)
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        parent = command.context_class(command, info_name=command.name, parent=parent)
        name = rest.pop(0)
        command = command.get_command(parent, name)
        assert command is not None, f"no such command: {name}"
    return command, parent, rest


@pytest.mark.parametrize("words", cases(COMMAND))
def test_a_command_of_the_documents_is_taken_by_the_program(words):
    command, parent, rest = command_of(words)
    command.make_context(command.name, rest, parent=parent)  # reads the arguments and runs nothing


@pytest.mark.parametrize("words", cases(INLINE))
def test_options_in_the_text_of_the_documents_are_those_of_their_command(words):
    command, _, rest = command_of(words)
    known = {flag for option in command.params for flag in (*option.opts, *option.secondary_opts)}
    known |= {"-h", "--help"}
    assert [word for word in rest if word.startswith("-") and word not in known | {"-"}] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_python_of_the_documents_is_python_and_its_names_exist(page):
    text = page.read_text(encoding="utf-8")
    for code in re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if SIDE_BY_SIDE not in code:
            compile(f"if True:\n{code}" if code.startswith("    ") else code, page.name, "exec")
    names = set(re.findall(r"\bmw\.([A-Za-z_]+)", text)) - {"NAME"}
    assert [name for name in sorted(names) if not hasattr(mw, name)] == []


def test_names_of_supervision_in_the_documents_exist():
    supervision = pytest.importorskip("supervision", reason="needs the extra [supervision]")
    text = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in re.findall(r"\bsv\.([A-Za-z]+)", text) if not hasattr(supervision, name)] == []
