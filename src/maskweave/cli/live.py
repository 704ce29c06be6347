"""Run `maskweave segment --live`: a server for this machine alone, and its page in the browser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from maskweave.cli.serving import serve_until_stopped
from maskweave.cli.viewer import open_page
from maskweave.errors import InvalidValue
from maskweave.options import Request
from maskweave.run import find_inputs

_PASSED_ON = ("task", "score", "classes", "track", "tracker", "every", "line", "zone")
"""Options that the page passes on to the server."""
_OF_SERVER = ("model", "max_pixels", "offline")


def show_live(inputs: Sequence[str], request: Request, *, json_lines: bool = False) -> None:
    """Serve one camera, stream or video until Ctrl-C, and open the page that shows it.

    Raises `InvalidValue` for other inputs, and for options that have no meaning there; `SourceError` for a file that
    is not there.
    """
    _check_options(request)
    found = find_inputs(inputs, request)
    if len(found) != 1 or found[0].kind == "image":
        got = "an image" if len(found) == 1 else f"{len(found)} inputs"
        raise InvalidValue(f"--live: need one camera, stream or video, got {got}; leave --live out")
    if found[0].kind is None:
        found[0].open()  # says what is wrong
    choices: dict[str, Any] = {
        "port": 0,
        "model": request.model.model,
        "max_pixels": request.source.max_pixels,
        "live_sources": (inputs[0],),
    }
    serve_until_stopped(
        choices, json_lines=json_lines, fragment=fragment_of(request), ready=None if json_lines else open_page
    )


def fragment_of(request: Request) -> str:
    """The end of the page's address that shows the server's first source with a request's options.

    >>> fragment_of(Request.of(score=0.5, classes="cat,dog"))
    '#live=0&score=0.5&classes=cat%2Cdog'
    """
    words = _changed(request)
    given = [(name, words[name]) for name in _PASSED_ON if name in words]
    pairs = [("live", 0), *((name, _text(name, value)) for name, value in given)]
    return "#" + urlencode(pairs, doseq=True)


def _text(name: str, value: Any) -> Any:
    if name == "classes":
        return ",".join(value)
    return str(value).lower() if isinstance(value, bool) else value


def _changed(request: Request) -> dict[str, Any]:
    """The options that are not as they are where nothing is said."""
    default = Request().to_words()
    return {name: value for name, value in request.to_words().items() if value != default[name]}


def _check_options(request: Request) -> None:
    extra = sorted(set(_changed(request)) - {*_PASSED_ON, *_OF_SERVER})
    if extra:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in extra)
        raise InvalidValue(f"--live: shows what it finds and writes no files; leave {names} out")
