"""Zeros in place of a recording's end: reserved by its writer and never filled, or lost."""

from __future__ import annotations

from typing import BinaryIO

_PIECE = 1 << 20


def only_zeros(file: BinaryIO, place: int) -> bool:
    """Whether nothing but zeros follows ``place``; False where nothing follows."""
    file.seek(place)
    is_zero = False
    while piece := file.read(_PIECE):
        if any(piece):
            return False
        is_zero = True
    return is_zero


def zeros_sentence(place: int) -> str:
    """What zeros up to the end may mean."""
    return (
        f"nothing but zeros from byte {place:,} on: the recording was stopped there without being closed, or frames "
        "are missing"
    )
