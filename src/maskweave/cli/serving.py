"""Run `maskweave serve`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from maskweave.cli.console import emit, inform
from maskweave.optional import optional

with optional("serve", extra="serve"):
    from maskweave.serving.run import serve
    from maskweave.serving.settings import Settings, is_wildcard


def serve_until_stopped(
    choices: dict[str, Any],
    *,
    json_lines: bool,
    fragment: str = "",
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM; raises `InvalidValue` for a host without a token, a port that is taken.

    ``fragment``: the end of the page's address. ``ready`` is called with the whole of it, once it is served.
    """
    settings = Settings(**choices)
    name = "localhost" if is_wildcard(settings.host) else settings.host
    name = f"[{name}]" if ":" in name else name

    def started(port: int, *_: object) -> None:
        address = f"http://{name}:{port}" + (f"/{fragment}" if fragment else "")
        if json_lines:
            emit({"url": address})
        inform(f"maskweave: serving on {address}")
        if ready is not None:
            ready(address)

    asyncio.run(serve(settings, started=started))
    inform("maskweave: stopped")
