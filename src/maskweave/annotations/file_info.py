"""The ``info`` block of JSON files that MaskWeave writes, by which a later run knows that one may be replaced."""

from __future__ import annotations

from typing import Any

from maskweave.annotations.options import Options
from maskweave.version import __version__


def file_info(options: Options) -> dict[str, Any]:
    """Who wrote the file: a model that found objects, or a conversion; and what is known of the video."""
    if options.model is not None:
        return {
            "description": "Objects found by MaskWeave",
            "version": __version__,
            "model": options.model,
            **options.facts,
        }
    return {"description": "Converted by MaskWeave", "version": __version__}
