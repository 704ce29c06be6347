"""Networks whose input has one size only: what that size is, and how a picture is laid into it."""

from __future__ import annotations

from maskweave.errors import UnknownLayout
from maskweave.ops.placement import Placement
from maskweave.types.arrays import Size


def fixed_canvas(name: str, height: int | None, width: int | None) -> Size | None:
    """The (height, width) that a network insists on, None when both are free.

    Raises `UnknownLayout` when only one is, because no picture of another shape would then fit.
    """
    if height is None and width is None:
        return None
    if not height or not width:
        told = "x".join("any" if side is None else str(side) for side in (height, width))
        raise UnknownLayout(
            f"{name}: need an input whose height and width are both free or both fixed, got {told}; "
            "export it anew"
        )
    return height, width


def fit_inside(source: Size, canvas: Size, *, centre: bool = False) -> Placement:
    """Scale an image of ``source`` size to the largest that fits ``canvas``, aspect kept.

    It lies at the top left, or in the middle with ``centre``; an odd pixel of padding then goes right or below.
    """
    scale = min(canvas[0] / source[0], canvas[1] / source[1])
    height, width = (
        min(limit, max(1, round(side * scale))) for side, limit in zip(source, canvas, strict=True)
    )
    offset = ((canvas[0] - height) // 2, (canvas[1] - width) // 2) if centre else (0, 0)
    return Placement(source, (height, width), canvas, offset)
