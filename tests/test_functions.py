"""Functions stay short and take few arguments: what needs more is a dataclass of options."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "maskweave"
MAX_LINES = 60
MAX_PARAMETERS = 12


@pytest.fixture(scope="module")
def functions():
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                found[f"{path.relative_to(SOURCE)}:{node.lineno} {node.name}"] = node
    return found


def test_no_function_is_long(functions):
    lengths = {name: node.end_lineno - node.lineno + 1 for name, node in functions.items()}
    assert not {name: lines for name, lines in lengths.items() if lines > MAX_LINES}


def test_no_function_has_many_parameters(functions):
    counts = {
        name: len([*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs])
        - any(each.arg in ("self", "cls") for each in node.args.args[:1])
        for name, node in functions.items()
    }
    assert not {name: count for name, count in counts.items() if count > MAX_PARAMETERS}
