"""Measure the source: size, imports, functions, and the way of one image from the command to its file.

python scripts/measures.py                                  # print the table
python scripts/measures.py --write docs/architecture.md     # and put it between its marks
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import subprocess
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "maskweave"
LAYOUT = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}
"""Tokens that make no line a line of code."""
SEGMENT = """
import json, os, sys, threading, traceback
import maskweave.files as files

root, original, hops = os.path.dirname(files.__file__), files.atomic_file, []

def ours(frame):
    return [each for each in traceback.extract_stack(frame) if each.filename.startswith(root)]

def noted(*args, **options):
    waiting = sys._current_frames()[threading.main_thread().ident]
    stack = ours(sys._getframe(1))
    if threading.current_thread() is not threading.main_thread():
        stack = ours(waiting) + stack
    hops.append(len(stack))
    return original(*args, **options)

files.atomic_file = noted  # before anything imports it
from maskweave.cli import main

sys.argv[1:] = ["segment", *sys.argv[1:]]
try:
    main()
except SystemExit as stop:
    if stop.code:
        raise
modules = [name for name in sys.modules if name.partition(".")[0] == "maskweave"]
print(json.dumps({"modules": len(modules), "hops": hops[0]}))
"""
"""Segments an image as the command does and reports the modules that it loaded, and the calls to the first file."""

CALL = """
import sys
import numpy, maskweave

maskweave.load()(numpy.zeros((64, 64, 3), "uint8"))
print(sum(name.partition(".")[0] == "maskweave" for name in sys.modules))
"""
"""Segments an image in Python and reports how many modules that loaded."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


def main() -> None:
    """Print the measures, and write them where they are wanted."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    table = markdown(measures())
    print(table)
    if options.write is not None:
        sys.path.append(str(ROOT / "benchmarks"))
        from measuring import replace_between_marks

        replace_between_marks(options.write, "measures", table)


def measures() -> Iterator[tuple[str, str]]:
    """Each measure and its value."""
    texts = {path: path.read_text(encoding="utf-8") for path in sorted(SOURCE.rglob("*.py"))}
    trees = {path: ast.parse(text) for path, text in texts.items()}
    yield "modules", f"{len(texts):,}"
    yield "lines", f"{sum(len(text.splitlines()) for text in texts.values()):,}"
    yield "lines of code", f"{sum(lines_of_code(text, trees[path]) for path, text in texts.items()):,}"
    yield "pairs of modules that import each other", str(len(two_way_imports(trees)))
    functions = list(functions_of(trees))
    length, name = max((node.end_lineno - node.lineno + 1, name) for name, node in functions)
    yield "longest function", f"{length} lines, `{name}`"
    count, name = max((len(parameters(node)), name) for name, node in functions)
    yield "most parameters", f"{count}, `{name}`"
    way = one_image()
    yield "modules that Python loads for one image", run(CALL)
    yield "modules that `maskweave segment` loads for one JPEG", str(way["modules"])
    yield "calls from the command to its first file", str(way["hops"])


def markdown(rows: Iterable[tuple[str, str]]) -> str:
    """A table of two columns."""
    return "\n".join(["| measure | now |", "|---|---:|", *(f"| {name} | {value} |" for name, value in rows)])


def lines_of_code(text: str, tree: ast.Module) -> int:
    """How many lines are neither empty, comment nor docstring."""
    documented = {line for node in ast.walk(tree) for line in docstring_lines(node)}
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    lines = {
        line
        for token in tokens
        if token.type not in LAYOUT
        for line in range(token.start[0], token.end[0] + 1)
    }
    return len(lines - documented)


def docstring_lines(node: ast.AST) -> range:
    """The lines of texts that stand alone in a body: docstrings, of attributes too."""
    value = node.value if isinstance(node, ast.Expr) else None
    if isinstance(value, ast.Constant) and isinstance(value.value, str):
        return range(value.lineno, (value.end_lineno or value.lineno) + 1)
    return range(0)


def module_name(path: Path) -> str:
    """The dotted name of a source file."""
    return ".".join(path.relative_to(SOURCE.parent).with_suffix("").parts).removesuffix(".__init__")


def two_way_imports(trees: dict[Path, ast.Module]) -> set[frozenset[str]]:
    """Pairs of modules that import each other, at their head or on use; imports for types alone do not count."""
    names = {module_name(path) for path in trees}
    imports = {module_name(path): set(imported(tree, names)) for path, tree in trees.items()}
    return {
        frozenset((one, other)) for one, found in imports.items() for other in found if one in imports[other]
    }


def imported(tree: ast.AST, names: set[str]) -> Iterator[str]:
    """The modules out of ``names`` that a module imports: of a package the module in it where one is named."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            yield from names.intersection(each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module in names:
            inner = [f"{node.module}.{each.name}" for each in node.names]
            yield from (each if each in names else str(node.module) for each in inner)
        yield from imported(node, names)


def functions_of(trees: dict[Path, ast.Module]) -> Iterator[tuple[str, Function]]:
    """Every function and method with its dotted name."""
    for path, tree in trees.items():
        for node in ast.walk(tree):
            if isinstance(node, Function):
                yield f"{module_name(path).removeprefix('maskweave.')}.{node.name}", node


def parameters(node: Function) -> list[ast.arg]:
    """What a function is called with, but for ``self`` and ``cls``."""
    given = node.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    return [each for each in every if each is not None and each.arg not in ("self", "cls")]


def one_image() -> dict[str, Any]:
    """What `maskweave segment` loads and calls for one JPEG with the outputs that it writes by default."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "noise.jpg"
        cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (120, 160, 3), np.uint8))
        found: dict[str, Any] = json.loads(run(SEGMENT, str(path), "-o", folder))
    return found


def run(code: str, *words: str) -> str:
    """The last line that a Python program prints."""
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)
    return ran.stdout.splitlines()[-1]


if __name__ == "__main__":
    main()
