"""Dataclass fields that are options: one declaration for the command line, HTTP queries and the keys of batches.

A field made by `option` carries its help and its text form. `expand_options` puts such fields into the signature of a
function in place of the dataclass, which is what typer and FastAPI read; `from_words` and `to_words` go between
options and what travels as text or JSON.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import Field, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from maskweave.errors import InvalidValue

_T = TypeVar("_T")
_KEY = "option"
_KINDS: dict[str, Any] = {
    "bool": bool,
    "int": int,
    "int | None": int | None,
    "float": float,
    "float | None": float | None,
    "str": str,
    "str | None": str | None,
    "Path | None": Path | None,
}


@dataclass(frozen=True)
class Option:
    """How one field is given by users.

    - ``help``: one sentence.
    - ``name``: what it is called on the command line and in queries; "" takes the field's own name.
    - ``flags``: spellings of the command line other than ``--name``.
    - ``kind``: its type where it comes as text; None takes the field's type, text for a `Literal`.
    - ``parse``: from that to the field's value; it is also given what `to_words` wrote.
    - ``to_word``: from the value to what JSON holds.
    - ``choices``, ``min``, ``max``: its values. ``metavar``: how help texts name the value.
    - ``local``: a matter of the machine that runs the command, so HTTP does not offer it.
    """

    help: str
    name: str = ""
    flags: tuple[str, ...] = ()
    kind: Any = None
    parse: Callable[[Any], Any] | None = None
    to_word: Callable[[Any], Any] | None = None
    choices: tuple[str, ...] = ()
    min: float | None = None
    max: float | None = None
    metavar: str | None = None
    local: bool = False


def option(default: Any, text: str, **details: Any) -> Any:
    """A dataclass field with a ``default`` that is an option; ``text`` is its help, ``details`` are of `Option`."""
    return field(default=default, metadata={_KEY: Option(text, **details)})


def options_of(group: type) -> Iterator[tuple[Field[Any], Option]]:
    """The fields of a dataclass that are options, those of the dataclasses in it included."""
    for each in fields(group):
        if _KEY in each.metadata:
            yield each, each.metadata[_KEY]
        elif _is_group(each):
            yield from options_of(each.default_factory)  # type: ignore[arg-type]


def _is_group(each: Field[Any]) -> bool:
    factory: object = each.default_factory
    return isinstance(factory, type) and is_dataclass(factory)


def name_of(each: Field[Any]) -> str:
    """What a field is called by users."""
    return each.metadata[_KEY].name or each.name


def input_type(each: Field[Any]) -> Any:
    """The type of a field where it comes as text."""
    details: Option = each.metadata[_KEY]
    if details.kind is not None:
        return details.kind
    return str if details.choices and str(each.type) not in _KINDS else _KINDS[str(each.type)]


def check_choices(options: Any) -> None:
    """Raise `InvalidValue` for the first field of a dataclass whose value is none of its ``choices``; None may be."""
    for each in fields(options):
        value, choices = (
            getattr(options, each.name),
            each.metadata[_KEY].choices if _KEY in each.metadata else (),
        )
        if choices and value is not None and value not in choices:
            name = name_of(each).replace("_", "-")
            raise InvalidValue(f"--{name}: need one of {', '.join(choices)}, got {value!r}")


def from_words(group: type[_T], words: Mapping[str, Any]) -> _T:
    """Options from what users and JSON give, by their names; what is None, or not among ``words``, keeps its default.

    A dataclass of dataclasses takes the names of all of them. Raises `InvalidValue` for an unknown name, and what the
    dataclasses raise.
    """
    known = {name_of(each) for each, _ in options_of(group)}
    unknown = sorted(set(words) - known)
    if unknown:
        raise InvalidValue(f"options: need names out of {', '.join(sorted(known))}; got {', '.join(unknown)}")
    return _filled(group, words)


def _filled(group: type[_T], words: Mapping[str, Any]) -> _T:
    values: dict[str, Any] = {}
    for each in fields(group):  # type: ignore[arg-type]
        if _is_group(each):
            values[each.name] = _filled(each.default_factory, words)  # type: ignore[arg-type]
        elif _KEY in each.metadata and words.get(name_of(each)) is not None:
            word, parse = words[name_of(each)], each.metadata[_KEY].parse
            values[each.name] = word if parse is None else parse(word)
    return group(**values)


def to_words(options: Any) -> dict[str, Any]:
    """Options as names and values that JSON can hold; `from_words` reads them."""
    words: dict[str, Any] = {}
    for each in fields(options):
        value = getattr(options, each.name)
        if _is_group(each):
            words |= to_words(value)
        elif _KEY in each.metadata:
            to_word = each.metadata[_KEY].to_word
            words[name_of(each)] = value if to_word is None or value is None else to_word(value)
    return words


def expand_options(
    function: Callable[..., _T],
    annotate: Callable[[Field[Any], Option], Any],
    *,
    without: tuple[str, ...] = (),
    defaults: Mapping[str, Any] | None = None,
) -> Callable[..., _T]:
    """Wrap ``function``: it takes single options in place of each parameter that is a dataclass of them.

    ``annotate`` makes the annotation of each option's parameter, or None to leave it out; so are those named in
    ``without``. ``defaults``: other values than those of the dataclass.
    """
    parameters: list[inspect.Parameter] = []
    group: Any
    groups: dict[str, Any] = {}
    words: dict[str, inspect.Parameter] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if not is_dataclass(parameter.annotation):
            parameters.append(parameter)
            continue
        group = groups[parameter.name] = parameter.annotation
        for each, details in options_of(group):
            annotation = None if name_of(each) in without else annotate(each, details)
            if annotation is not None:
                default = (defaults or {}).get(name_of(each), _shown_default(each, details))
                words[name_of(each)] = inspect.Parameter(
                    name_of(each), inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
                )
    listed = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in parameters]

    @functools.wraps(function)
    def call(**given: Any) -> _T:
        chosen = {name: given.pop(name) for name in words if name in given}
        built = {
            name: from_words(group, {each: chosen[each] for each in _names(group) if each in chosen})
            for name, group in groups.items()
        }
        return function(**given, **built)

    call.__signature__ = inspect.Signature([*listed, *words.values()])  # type: ignore[attr-defined]
    call.__annotations__ = {each.name: each.annotation for each in (*listed, *words.values())}
    return call


def _names(group: type) -> list[str]:
    return [name_of(each) for each, _ in options_of(group)]


def _shown_default(each: Field[Any], details: Option) -> Any:
    """The default in the form in which the option is given."""
    if details.parse is None:
        return each.default
    if details.kind is bool:
        return False
    return None if details.to_word is None or each.default in (None, ()) else details.to_word(each.default)
