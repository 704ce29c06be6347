"""Clips whose truth is known: colored things that cross, hide, leave and enter under a camera that moves.

`Scene` says what there is; `frames` draws it and gives the truth; `noisy` makes of the truth what a model would give.
`seen` draws a single frame with plain boxes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cache

import cv2
import numpy as np

from maskweave.types import Frame, Instances, Masks

NAMES = ("car", "person")
SIZE = (240, 428)
RED, BLUE, WHITE, GREEN, GRAY = (200, 40, 40), (40, 60, 200), (230, 230, 230), (40, 160, 60), (120, 120, 120)


@dataclass(frozen=True)
class Thing:
    """An ellipse or a box; ``path`` gives its center x, y in the world for a time in seconds."""

    path: Callable[[float], tuple[float, float]]
    color: tuple[int, int, int]
    radii: tuple[int, int] = (22, 14)
    box: bool = False
    class_id: int = 0
    depth: int = 0  # larger is nearer
    since: float = 0.0


@dataclass(frozen=True)
class Scene:
    """``walls`` are x1 y1 x2 y2 in the world, in front of everything; ``pan`` is where the camera looks."""

    things: Sequence[Thing]
    walls: Sequence[tuple[int, int, int, int]] = ()
    pan: Callable[[float], tuple[float, float]] = lambda time: (0.0, 0.0)
    times: Sequence[Fraction] = field(default_factory=lambda: [Fraction(i, 25) for i in range(75)])
    seed: int = 0


def line(x, y, speed_x=0.0, speed_y=0.0):
    return lambda time: (x + speed_x * time, y + speed_y * time)


def frames(scene: Scene) -> Iterator[tuple[Frame, Instances]]:
    """Yield each frame and its truth, visible pixels only; what shows fewer than 30 pixels does not count."""
    floor = ground(scene.seed)
    for index, time in enumerate(scene.times):
        offset = scene.pan(float(time))
        image, owner = window(floor, offset, SIZE), np.zeros(SIZE, np.uint8)
        for number in sorted(range(len(scene.things)), key=lambda number: scene.things[number].depth):
            if scene.things[number].since <= time:
                draw(image, owner, scene.things[number], number + 1, float(time), offset)
        for x1, y1, x2, y2 in scene.walls:
            first = round(x1 - offset[0]), round(y1 - offset[1])
            last = round(x2 - offset[0]), round(y2 - offset[1])
            cv2.rectangle(image, first, last, (90, 70, 50), -1)
            cv2.rectangle(owner, first, last, 0, -1)
        numbers = range(1, len(scene.things) + 1)
        found = [number for number in numbers if np.count_nonzero(owner == number) >= 30]
        yield Frame(image, index=index, time=time, source="drawn"), truth_of(scene, owner, found)


def truth_of(scene, owner, found):
    masks = Masks([owner == number for number in found], np.zeros((len(found), 2), int), SIZE)
    classes = np.array([scene.things[number - 1].class_id for number in found], int)
    return Instances(masks, masks.boxes, np.ones(len(found)), classes, NAMES, track_ids=np.array(found, int))


def noisy(truth, rng, *, miss=0.05, low=0.1, false=0.05, flip=0.05, jitter=1.0):
    """What a model might give: outlines that tremble, objects missed, unsure or of the wrong class, false ones."""
    rows = np.flatnonzero(rng.random(len(truth)) >= miss)
    crops, corners = [], []
    for crop, x, y in truth.masks[rows].placed():
        margin = 5
        left, top = max(0, x - margin), max(0, y - margin)
        padded = np.pad(crop, ((y - top, margin), (x - left, margin)))[: SIZE[0] - top, : SIZE[1] - left]
        crops.append(trembling(padded, rng, jitter))
        corners.append((left, top))
    unsure = rng.random(len(rows)) < low
    scores = np.where(unsure, rng.uniform(0.26, 0.45, len(rows)), rng.uniform(0.6, 0.95, len(rows)))
    classes = (truth.class_ids[rows] + (rng.random(len(rows)) < flip)) % 2
    if rng.random() < false:
        crops.append(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (25, 19)) > 0)
        corners.append((int(rng.integers(0, SIZE[1] - 25)), int(rng.integers(0, SIZE[0] - 19))))
        scores, classes = np.append(scores, rng.uniform(0.3, 0.6)), np.append(classes, 0)
    masks = Masks(crops, np.array(corners, int).reshape(-1, 2), SIZE)
    found = Instances(masks, masks.boxes, scores, classes, NAMES)
    found = found[masks.areas > 0]
    return found[rng.permutation(len(found))]


def trembling(mask, rng, jitter):
    """Move each part of the outline in or out by about ``jitter`` pixels."""
    inside = cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 3)
    outside = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    waves = rng.normal(0, 1.6 * jitter, (mask.shape[0] // 8 + 2, mask.shape[1] // 8 + 2)).astype(np.float32)
    return inside - outside + cv2.resize(waves, mask.shape[::-1], interpolation=cv2.INTER_CUBIC) > 0


@cache
def ground(seed):
    """A large textured floor, 1200 x 700, with 200 pixels before the origin."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(60, 190, (14, 24, 3)).astype(np.float32), (1200, 700))
    fine = cv2.resize(rng.uniform(-25, 25, (175, 300)).astype(np.float32), (1200, 700))
    return np.clip(coarse + fine[..., None], 0, 255).astype(np.uint8)


def window(floor, offset, size):
    matrix = np.array([[1, 0, -200 - offset[0]], [0, 1, -200 - offset[1]]], np.float64)
    return cv2.warpAffine(floor, matrix, size[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def draw(image, owner, thing, number, time, offset):
    x, y = thing.path(time)
    x, y = round(x - offset[0]), round(y - offset[1])
    rx, ry = thing.radii
    for plane, color in ((image, thing.color), (owner, number)):
        if thing.box:
            cv2.rectangle(plane, (x - rx, y - ry), (x + rx, y + ry), color, -1)
        else:
            cv2.ellipse(plane, (x, y), (rx, ry), 0, 0, 360, color, -1)


def crossing():
    """Four that pass in front of each other, two of them of one color."""
    return Scene(
        [
            Thing(line(40, 90, 110), RED),
            Thing(line(390, 96, -110), BLUE, depth=1),
            Thing(line(60, 180, 90), WHITE, (14, 24), class_id=1),
            Thing(line(330, 176, -90), WHITE, (12, 22), class_id=1, depth=1),
        ]
    )


def occluded():
    """Three that pass behind walls for up to a second."""
    return Scene(
        [
            Thing(line(30, 60, 120), RED),
            Thing(line(400, 120, -115), BLUE, (20, 14)),
            Thing(line(40, 190, 100), GREEN, (18, 12), box=True),
        ],
        walls=[(150, 20, 215, 100), (220, 95, 285, 145), (150, 160, 240, 220)],
    )


def traffic():
    """Many of few colors that enter and leave all the time on three lanes."""
    things = []
    for lane, (y, speed, start) in enumerate([(60, 150, -30), (120, -130, 460), (185, 190, -30)]):
        for number in range(5):
            color = (WHITE, RED, GRAY, BLUE, WHITE)[(number + lane) % 5]
            begin = 0.55 * number + 0.1 * lane
            path = line(start - speed * begin, y + 3 * (number % 2), speed)
            things.append(Thing(path, color, (20 + 2 * lane, 12), box=True, since=begin))
    return Scene(things)


def panned():
    """A camera that swings: between frames all move by more than their own width where it is fastest."""
    colors = (RED, WHITE, BLUE, GREEN, WHITE)
    things = [Thing(line(90 + 75 * i, 60 + 55 * (i % 3), 12 * (i % 2)), colors[i], (11, 9)) for i in range(5)]
    return Scene(things, pan=lambda time: (130 * np.sin(3 * time), 25 * np.sin(5 * time)))


def variable_rate():
    """Frames at 30, 12 and 6 a second in turn, and one that hides behind a wall for 0.6 seconds."""
    times, time = [], Fraction(0)
    steps = [Fraction(1, 30)] * 15 + [Fraction(1, 12)] * 8 + [Fraction(1, 6)] * 6
    while time < 4:
        times.append(time)
        time += steps[len(times) % len(steps)]
    return Scene(
        [
            Thing(line(30, 70, 95), RED),
            Thing(line(390, 150, -80), BLUE, (20, 15)),
            Thing(line(60, 205, 60, -10), WHITE, (16, 12)),
        ],
        walls=[(170, 30, 220, 110)],
        times=times,
    )


SCENES = {scene.__name__: scene for scene in (crossing, occluded, traffic, panned, variable_rate)}


def box(x, y=60, *, width=40, height=30, score=0.9, class_id=0):
    return x, y, width, height, score, class_id


def seen(time, *boxes, size=(160, 320), color=(200, 40, 40), floor=3):
    """A frame with colored boxes on a textured floor, and the instances a perfect model gives for it."""
    image = window(ground(floor), (0, 0), size)
    crops, corners = [], []
    for x, y, width, height, *_ in boxes:
        image[y : y + height, x : x + width] = color
        crops.append(np.ones((height, width), bool))
        corners.append((x, y))
    masks = Masks(crops, np.array(corners, int).reshape(-1, 2), size)
    scores, classes = [each[4] for each in boxes], np.array([each[5] for each in boxes], int)
    return Instances(masks, masks.boxes, scores, classes, NAMES), Frame(image, time=Fraction(time))
