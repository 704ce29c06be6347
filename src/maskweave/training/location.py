"""Where an object ends, as part of its mask: a quadratic of the position in its box, learned at every point.

Prototypes look the same for two people side by side; what tells them apart is where they stand. Relative
coordinates do so in networks with dynamic filters (CondInst, arXiv:2003.05664). Here they enter as a quadratic, which
is linear in its six terms: written in coordinates of the image it becomes six more coefficients over six more
prototypes that are the same for every image, and a mask stays one product.
"""

from __future__ import annotations

import torch
from torch import Tensor

TERMS = 6
"""Of 1, x, y, xx, xy, yy."""
UNIT = 64.0
"""Input pixels to one of the coordinates' units: keeps their squares small."""
NARROWEST = 8.0
"""Sides of boxes, in pixels, below which the quadratic gets no steeper."""


def absolute_terms(relative: Tensor, boxes: Tensor) -> Tensor:
    """Coefficients over `coordinate_maps`.

    Args:
        relative: (N, P, 6) float32 factors of 1, u, v, uu, uv, vv, where u and v are -0.5 and 0.5 at a box's sides.
        boxes: (N, P, 4) float32 xyxy in input pixels; no gradient flows into them.

    Returns:
        (N, P, 6) float32 factors of 1, x, y, xx, xy, yy.
    """
    boxes = boxes.detach() / UNIT
    x, y = ((boxes[..., :2] + boxes[..., 2:]) / 2).unbind(-1)
    a, b = (boxes[..., 2:] - boxes[..., :2]).clamp(min=NARROWEST / UNIT).reciprocal().unbind(-1)
    one, u, v, uu, uv, vv = relative.unbind(-1)
    u, v, uu, uv, vv = u * a, v * b, uu * a * a, uv * a * b, vv * b * b
    constant = one - u * x - v * y + uu * x * x + uv * x * y + vv * y * y
    return torch.stack(
        (constant, u - 2 * uu * x - uv * y, v - 2 * vv * y - uv * x, uu, uv, vv),
        -1,
    )


def coordinate_maps(rows: int, columns: int, stride: int, device: torch.device | None = None) -> Tensor:
    """(6, rows, columns) float32: 1, x, y, xx, xy, yy at the centres of a map's cells, in `UNIT` input pixels."""
    y, x = torch.meshgrid(
        (torch.arange(rows, device=device, dtype=torch.float32) + 0.5) * (stride / UNIT),
        (torch.arange(columns, device=device, dtype=torch.float32) + 0.5) * (stride / UNIT),
        indexing="ij",
    )
    return torch.stack((torch.ones_like(x), x, y, x * x, x * y, y * y))
