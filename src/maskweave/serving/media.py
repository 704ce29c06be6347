"""The media types that are sent: a fixed table, never taken from the system or a user."""

from __future__ import annotations

from pathlib import PurePath

OTHER = "application/octet-stream"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".csv": "text/csv; charset=utf-8",
    ".geojson": "application/geo+json",
    ".html": "text/html; charset=utf-8",
    ".ico": "image/x-icon",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".mp4": "video/mp4",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".webm": "video/webm",
    ".webp": "image/webp",
    ".woff2": "font/woff2",
    ".zip": "application/zip",
}


def media_type(name: str) -> str:
    """The media type of a file that this program wrote or brought along, by its suffix."""
    return _TYPES.get(PurePath(name).suffix.lower()) or _type_of_annotations(name.lower())


def _type_of_annotations(name: str) -> str:
    """What the table of annotation formats says of a suffix."""
    from maskweave.annotations.table import formats

    known = (each.media_type for each in formats() if each.suffix and name.endswith(each.suffix))
    return next(known, OTHER)


def accepted(header: str | None, offers: tuple[str, ...]) -> str | None:
    """The offer that an ``Accept`` header wants most, the first of equals; None when it wants none of them.

    >>> accepted("image/*;q=0.5, image/png", ("application/json", "image/png", "image/jpeg"))
    'image/png'
    """
    if not header or not header.strip():
        return offers[0]
    wanted = [_range(part) for part in header.split(",")]

    def weight(offer: str) -> float:
        fits = [
            (specific, quality)
            for kind, specific, quality in wanted
            if kind in (offer, offer.split("/", maxsplit=1)[0] + "/*", "*/*")
        ]
        return max(fits)[1] if fits else 0.0

    best = max(offers, key=weight)
    return best if weight(best) > 0 else None


def _range(text: str) -> tuple[str, int, float]:
    """A media range, how specific it is (0 to 2), and its quality; a malformed quality is 0."""
    kind, *parameters = (part.strip().lower() for part in text.split(";"))
    quality = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                quality = float(value)
            except ValueError:
                quality = 0.0
    specific = 0 if kind == "*/*" else 1 if kind.endswith("/*") else 2
    return kind, specific, quality
