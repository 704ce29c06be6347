"""Refine mask edges: how much of each border pixel belongs to the object, and in which color.

Closed-form matting, A. Levin et al., "A Closed-Form Solution to Natural Image Matting", CVPR 2006, and multi-level
foreground estimation, T. Germer et al., https://arxiv.org/abs/2006.14970, both by pymatting (extra ``[matting]``), on
a band along the border. Large images are matted at a reduced size and brought up by color, see
`maskweave.ops.guided_filter`, strip by strip, so that memory for it stays the same whatever their size.
"""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from maskweave.errors import InvalidValue
from maskweave.ops.guided_filter import ColorFit, fit_to_colors
from maskweave.optional import missing
from maskweave.types.arrays import Array, FloatArray, Image, Mask, check_image

_MAX_PIXELS = 300_000  # matted at once; pymatting takes about 1 kB for each
_BAND = 0.015  # half width of the band that is matted, as a share of the image's long side
_MIN_BAND = 6.0  # pixels
_CONFIDENT = 0.95  # alpha from which on a pixel is wholly the object, and from 1 - _SURE down not at all
_CORE = 0.5  # of an object's greatest depth: so deep inside a pixel is sure even of an object thinner than the band
_ALL_BUT = 0.01
_EPSILON = 1e-6  # of the variance of colors of 0..1, so that flat parts can be solved
_RESIDUAL, _ROUNDS = 1e-5, 2000  # where the solver stops; a band of 30,000 pixels needs some hundred rounds
_FIT_RADIUS, _FIT_EPSILON = 2, 1e-5
_STRIP_ROWS = 32  # of the reduced image

_Box: TypeAlias = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class Matte:
    """``alpha`` (H, W) float32 in 0..1, and ``colors`` (H, W, 3) uint8 RGB of the object alone.

    Where alpha is 0 or 1 the colors are the image's own.
    """

    alpha: FloatArray
    colors: Image


def check_matting() -> None:
    """Raise `MissingDependency` where pymatting is not installed; loads nothing."""
    if importlib.util.find_spec("pymatting") is None:
        raise missing("--refine-edges", "pymatting", extra="matting")


def refine_edges(image: Image, alpha: FloatArray | Mask) -> Matte:
    """Find the true alpha of an (H, W, 3) uint8 RGB image along the border of a mask, (H, W) bool or alpha in 0..1.

    Pixels further than about a hundredth of the long side from the border stay as they are, and so does a mask
    without a border.

    Raises `MissingDependency` without pymatting, `InvalidValue` for arrays of different sizes.
    """
    check_matting()
    check_image(image)
    if alpha.shape != image.shape[:2]:
        raise InvalidValue(f"alpha: need the image's size {image.shape[:2]}, got {alpha.shape}")
    given = alpha.astype(np.float32)
    matte = Matte(given, image.copy())
    band = max(_MIN_BAND, _BAND * max(given.shape))
    box = _box_around(given, margin=round(2 * band) + 1)
    if box is not None:
        _refine_part(Matte(matte.alpha[box], matte.colors[box]), band)
    return matte


def trimap_of(alpha: FloatArray, band: float) -> FloatArray:
    """(h, w) float64: 1 surely the object, 0 surely not, 0.5 within ``band`` pixels of its border or soft.

    An object that is thinner than the band keeps its middle.
    """
    inside, outside = alpha >= _CONFIDENT, alpha <= 1 - _CONFIDENT
    depth = cv2.distanceTransform(_padded(inside), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    count, parts = cv2.connectedComponents(inside.view(np.uint8), connectivity=8)
    deepest = np.zeros(count, np.float32)
    np.maximum.at(deepest, np.asarray(parts, np.int64).ravel(), depth.ravel())
    trimap = np.full(alpha.shape, 0.5)
    trimap[inside & (depth > np.minimum(band, _CORE * deepest)[parts])] = 1
    away = cv2.distanceTransform(_padded(outside), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[1:-1, 1:-1]
    trimap[outside & (away > band)] = 0
    return trimap


def _padded(mask: Mask) -> NDArray[np.uint8]:
    """Extend the mask beyond the image, so that the edge of the image is no border of it."""
    return np.asarray(cv2.copyMakeBorder(mask.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_REPLICATE), np.uint8)


def _box_around(alpha: FloatArray, *, margin: int) -> _Box | None:
    """The part of an image in which there is anything, and ``margin`` pixels around; None where nothing is."""
    x, y, width, height = cv2.boundingRect((alpha > 1 - _CONFIDENT).view(np.uint8))
    if not width:
        return None
    return slice(max(0, y - margin), y + height + margin), slice(max(0, x - margin), x + width + margin)


def _refine_part(part: Matte, band: float) -> None:
    """Refine a part of an image in place."""
    height, width = part.alpha.shape
    step = int(np.ceil(np.sqrt(height * width / _MAX_PIXELS)))
    image = _whole_steps(part.colors, step)
    small = _matted(
        np.asarray(_reduced(image, step), np.uint8),
        trimap_of(_reduced(_whole_steps(part.alpha, step), step), max(_MIN_BAND, band / step)),
        step,
    )
    if small is None:
        return
    for first in range(0, len(small.alpha), _STRIP_ROWS):
        alpha, near, difference = small.rows(first, image)
        rows = slice(first * step, min(height, first * step + len(alpha)))
        shown = slice(rows.stop - rows.start), slice(width)
        alpha, near, difference = alpha[shown], near[shown], difference[shown]
        colors = part.colors[rows]
        part.alpha[rows][near] = alpha[near]
        # What is seen is a mixture, a F + (1 - a) B, so F is what is seen and (1 - a) (F - B).
        pure = colors + (1 - alpha[..., None]) * difference
        seen = near & (alpha > 0)
        colors[seen] = np.clip(np.rint(pure[seen]), 0, 255).astype(np.uint8)


@dataclass(frozen=True, eq=False)
class _Small:
    """A matte of an image that is ``step`` times smaller: (h, w) float32 ``alpha``, the band in which it was
    ``unknown``, and by how much the object's color differs from what is behind it, (h, w, 3) float32 in 0..255.

    ``fit``: alpha as a function of color, where the image is smaller.
    """

    alpha: FloatArray
    unknown: FloatArray
    difference: FloatArray
    fit: ColorFit | None
    step: int

    def rows(self, first: int, image: Image) -> tuple[FloatArray, Mask, FloatArray]:
        """Alpha, the band and the difference for the large ``image``, from the strip that begins at row ``first``."""
        last = min(first + _STRIP_ROWS, len(self.alpha))
        above, below = max(0, first - 1), min(len(self.alpha), last + 1)  # what is interpolated with
        wanted = slice((first - above) * self.step, (last - above) * self.step)
        strip = slice(above, below)
        near: Mask = self._enlarged(self.unknown[strip])[wanted] > 0
        difference = self._enlarged(self.difference[strip])[wanted]
        if self.fit is None:
            return self.alpha[first:last], near, difference
        red, green, blue = (np.ascontiguousarray(slope[strip]) for slope in self.fit.slopes)
        fit = ColorFit((red, green, blue), np.ascontiguousarray(self.fit.offset[strip]))
        return _snapped(fit.on(image[above * self.step : below * self.step])[wanted]), near, difference

    def _enlarged(self, values: FloatArray) -> FloatArray:
        if self.step == 1:
            return values
        size = (values.shape[1] * self.step, values.shape[0] * self.step)
        return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _matted(image: Image, trimap: FloatArray, step: int) -> _Small | None:
    """Matte a small image; None where its trimap leaves nothing to find, or nothing to find it from."""
    unknown = trimap == 0.5
    if not unknown.any() or not (trimap == 1).any() or not (trimap == 0).any():
        return None
    import pymatting

    seen = image / 255.0
    alpha = trimap.copy()
    # The band alone is solved for; what is known on both sides of it is the right-hand side.
    laplacian = pymatting.cf_laplacian(seen, epsilon=_EPSILON, is_known=~unknown)[unknown.ravel()]
    known = np.where(unknown, 0, trimap).ravel()
    alpha[unknown] = _solved(laplacian[:, unknown.ravel()], -(laplacian @ known))
    alpha = _snapped(np.clip(alpha, 0, 1).astype(np.float32))
    front, behind = pymatting.estimate_foreground_ml(seen, alpha, return_background=True)
    fit = None
    if step > 1:
        fit = fit_to_colors(alpha, image, radius=_FIT_RADIUS, epsilon=_FIT_EPSILON)
    return _Small(alpha, unknown.astype(np.float32), 255 * (front - behind), fit, step)


def _solved(matrix: Any, right: FloatArray) -> FloatArray:
    """Solve a sparse symmetric system by conjugate gradients, scaled by its diagonal; as near as it comes in time.

    pymatting's own way to its answer takes 4 GB of address space for the preconditioner, and prints when that fails.
    """
    scale = 1 / np.maximum(matrix.diagonal(), np.finfo(float).tiny)
    found = np.full(len(right), 0.5)
    rest = right - matrix @ found
    step = scaled = scale * rest
    strength, enough = rest @ scaled, _RESIDUAL**2 * max(1.0, right @ (scale * right))
    for _ in range(_ROUNDS):
        if strength <= enough:
            break
        product = matrix @ step
        share = strength / (step @ product)
        found += share * step
        rest -= share * product
        scaled = scale * rest
        before, strength = strength, rest @ scaled
        step = scaled + (strength / before) * step
    return found


def _snapped(alpha: FloatArray) -> FloatArray:
    """What is all but whole is whole, and what is all but nothing is nothing."""
    found = alpha.copy()
    found[alpha > 1 - _ALL_BUT] = 1
    found[alpha < _ALL_BUT] = 0
    return found


def _whole_steps(values: Array, step: int) -> Array:
    """Lengthen both sides to multiples of ``step`` by repeating the last row and column."""
    below, right = (-side % step for side in values.shape[:2])
    if not below and not right:
        return values
    return np.asarray(cv2.copyMakeBorder(values, 0, below, 0, right, cv2.BORDER_REPLICATE))


def _reduced(values: Array, step: int) -> Array:
    if step == 1:
        return values
    size = (values.shape[1] // step, values.shape[0] // step)
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA))
