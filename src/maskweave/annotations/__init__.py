"""Annotation formats: each is read and written in one file, and says what it cannot hold."""

from __future__ import annotations

from maskweave.annotations.table import format_named, formats

__all__ = ["format_named", "formats"]
