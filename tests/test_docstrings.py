"""Every public name says what it is for, what it takes, gives and raises."""

from __future__ import annotations

import inspect
import re

import pytest

import maskweave as mw

PUBLIC = [name for name in mw.__all__ if callable(getattr(mw, name)) and name != "MaskWeaveError"]


def functions() -> list[tuple[str, object]]:
    """The public functions, and the public methods of public classes."""
    found = []
    for name in PUBLIC:
        public = getattr(mw, name)
        found.append((name, public))
        if inspect.isclass(public):
            own = [base for base in public.__mro__ if base.__module__.startswith("maskweave")]
            members = {key: value for base in reversed(own) for key, value in vars(base).items()}
            found += [
                (f"{name}.{key}", getattr(value, "__func__", value))
                for key, value in members.items()
                if not key.startswith("_") and inspect.isroutine(getattr(value, "__func__", value))
            ]
    return found


FUNCTIONS = functions()


@pytest.mark.parametrize(("name", "public"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_a_public_name_begins_with_one_plain_sentence(name, public):
    first = (inspect.getdoc(public) or "").split("\n\n")[0]
    assert first.rstrip().endswith((".", ":"))
    assert first[0].isupper() or first.startswith(("(", "`"))


@pytest.mark.parametrize(("name", "public"), FUNCTIONS, ids=[name for name, _ in FUNCTIONS])
def test_every_argument_of_a_public_name_is_described(name, public):
    text = inspect.getdoc(public) or ""
    arguments = [key for key in inspect.signature(public).parameters if key not in ("self", "cls")]
    missing = [key for key in arguments if not re.search(rf"^ +{key}:", text, re.MULTILINE)]
    assert not missing


@pytest.mark.parametrize("name", ["load", "propagate", "segment_video"])
def test_a_public_function_is_typed(name):
    signature = inspect.signature(getattr(mw, name))
    assert signature.return_annotation is not inspect.Signature.empty
    assert all(each.annotation is not each.empty for each in signature.parameters.values())
