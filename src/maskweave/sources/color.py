"""Convert colors from an image's ICC profile to sRGB, which networks were trained on and outputs are read as.

Profile: ICC.1:2022, 7.2 (https://www.color.org/specification/ICC.1-2022-05.pdf). Pillow's LittleCMS does the work.
"""

from __future__ import annotations

from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as Pillow
from PIL import ImageCms

from maskweave.sources.base import warn_once

_MODES = {b"RGB ": "RGB", b"GRAY": "L", b"CMYK": "CMYK"}
"""Pillow's mode for a profile's color space, bytes 16 to 19 of its header."""
_SAMPLED = 9  # values of each channel by which a profile is compared with sRGB
_CLOSE = 1  # of 255: what rounding makes of a profile that is sRGB itself


def to_srgb(image: Pillow.Image, profile: bytes | None, warnings: list[str]) -> Pillow.Image:
    """The image in mode RGB, its colors in sRGB; without a profile it is taken for sRGB already.

    ``image``: mode L, RGB or CMYK. ``warnings`` gets a sentence when the profile cannot be used.
    """
    if not profile:
        return image.convert("RGB")
    mode = _MODES.get(profile[16:20], "")
    if (
        mode == "RGB" and image.mode == "L"
    ):  # a gray image under the profile of a color space, as cameras write
        image = image.convert("RGB")
    if mode != image.mode:
        space = profile[16:20].decode("ascii", "replace").strip() or "unknown"
        warn_once(warnings, f"its color profile is for {space}, the image is {image.mode}: not applied")
        return image.convert("RGB")
    try:
        transform = _transform(profile, mode)
    except (ImageCms.PyCMSError, OSError, ValueError) as error:
        warn_once(
            warnings, f"its color profile is damaged ({str(error)[:80]}): not applied, colors may look paler"
        )
        return image.convert("RGB")
    return image.convert("RGB") if transform is None else transform.apply(image)


def rgb_from_lab(image: Pillow.Image) -> Pillow.Image:
    """An image of mode LAB (CIE L*a*b*, D50) in sRGB."""
    converted: Pillow.Image = _lab_transform().apply(image)
    return converted


@lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> Any:
    """From the profile to sRGB; None where that changes nothing."""
    transform = ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(BytesIO(profile)), ImageCms.createProfile("sRGB"), mode, "RGB"
    )
    if mode != "RGB":
        return transform
    steps = np.linspace(0, 255, _SAMPLED).round().astype(np.uint8)
    cube = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(_SAMPLED, -1, 3)
    changed = np.asarray(transform.apply(Pillow.fromarray(cube)))
    return transform if np.abs(changed.astype(int) - cube).max() > _CLOSE else None


@lru_cache(maxsize=1)
def _lab_transform() -> Any:
    return ImageCms.buildTransform(
        ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), "LAB", "RGB"
    )
