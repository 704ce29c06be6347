"""The work of `maskweave serve`."""

from __future__ import annotations

import asyncio
from typing import Any

from maskweave.cli.console import say
from maskweave.errors import MaskWeaveError, MissingDependency

try:
    from maskweave.serving.run import serve
    from maskweave.serving.settings import Settings, is_wildcard
except ImportError as error:
    if isinstance(error, MaskWeaveError) or str(error.name).startswith("maskweave"):
        raise
    raise MissingDependency(
        f"serve: {error.name} is not installed. Use `pip install maskweave[serve]`."
    ) from error


def serve_until_stopped(choices: dict[str, Any]) -> None:
    """Serve until Ctrl-C or SIGTERM; raises `InvalidValue` for a host without a token, a port that is taken."""
    settings = Settings(**choices)
    name = "localhost" if is_wildcard(settings.host) else settings.host
    name = f"[{name}]" if ":" in name else name

    def started(port: int, *_: object) -> None:
        say(f"maskweave: serving on http://{name}:{port}")

    asyncio.run(serve(settings, started=started))
    say("maskweave: stopped")
