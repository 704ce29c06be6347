"""Clips drawn by the tests: textured discs that move over a textured ground, with the truth."""

from dataclasses import dataclass

import cv2
import numpy as np

from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.video.features import FrameFeatures

HEIGHT, WIDTH = 120, 200


@dataclass(frozen=True)
class Disc:
    """Where a disc is in frame 0, how it moves a frame (pixels), its radius and color."""

    x: float
    y: float
    dx: float = 0.0
    dy: float = 0.0
    radius: int = 18
    color: tuple[int, int, int] = (210, 60, 50)


def draw(discs, time, *, pan=0.0, seed=0, ground=(70, 110, 80), stop=10**9):
    """Frame ``time``: (H, W, 3) uint8 and (discs, H, W) bool; later discs lie on top; motion ends at ``stop``."""
    image = _texture(seed, 400, ground)[:, round(pan * time) :][:HEIGHT, :WIDTH].copy()
    masks = np.zeros((len(discs), HEIGHT, WIDTH), bool)
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    moved = min(time, stop)
    for row, disc in enumerate(discs):
        center_x, center_y = disc.x + disc.dx * moved, disc.y + disc.dy * moved
        inside = (x - center_x) ** 2 + (y - center_y) ** 2 < disc.radius**2
        skin = _texture(row + 7, 400, disc.color)
        shifted = np.roll(skin, (round(center_y), round(center_x)), axis=(0, 1))[:HEIGHT, :WIDTH]
        image[inside] = shifted[inside]
        masks[:row] &= ~inside
        masks[row] = inside
    return image, masks


def features_of(image):
    """Plain color features at stride 8."""
    rows, columns = -(-image.shape[0] // 8), -(-image.shape[1] // 8)
    features = cv2.resize(image, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    return FrameFeatures.of(image, features.transpose(2, 0, 1))


@dataclass
class DrawnFacts:
    """Facts of a frame, with plain features instead of a network's."""

    frame: Frame
    features: FrameFeatures
    network_instances: Instances
    scene_start: bool = False


def facts_of(image, found=None, *, scene_start=False):
    """The facts of an image; ``found``: what the network finds in it."""
    found = Instances.empty(image.shape[:2], ("thing",)) if found is None else found
    return DrawnFacts(Frame(image), features_of(image), found, scene_start)


def iou(a, b):
    union = (a | b).sum()
    return 1.0 if union == 0 else (a & b).sum() / union


def _texture(seed, side, color):
    noise = np.random.default_rng(seed).normal(0, 1, (side, side)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 1.5)
    light = smooth / smooth.std() * 18
    return np.clip(np.array(color) + light[..., None], 0, 255).astype(np.uint8)
