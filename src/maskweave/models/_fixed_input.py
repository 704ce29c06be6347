"""Networks whose input has one size only."""

from __future__ import annotations

from maskweave.errors import UnknownLayout
from maskweave.types.arrays import Size


def fixed_canvas(name: str, height: int | None, width: int | None) -> Size | None:
    """The (height, width) that a network insists on, None when both are free.

    Raises `UnknownLayout` when only one is, because no image of another shape would then fit.
    """
    if height is None and width is None:
        return None
    if not height or not width:
        shape = "x".join("any" if side is None else str(side) for side in (height, width))
        raise UnknownLayout(
            f"{name}: need an input whose height and width are both free or both fixed, got {shape}; "
            "export it again"
        )
    return height, width
