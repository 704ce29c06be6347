"""A small image whose masks are known, and a clip in which one square walks."""

import io
from fractions import Fraction

import numpy as np
from PIL import Image as PILImage

from maskweave.ops.rle import encode_masks
from maskweave.outputs import make_writers
from maskweave.outputs.base import Target
from maskweave.types import Frame, Instances, Masks, SourceInfo
from maskweave.types.result import FrameResult
from maskweave.video.counting import Counter, parse_line, parse_zone
from tests.clips import Clip, write_clip

SIZE = (120, 160)
GROUND = (96, 104, 112)
NAMES = ("cat", "dog", "person")
FRAMES, RATE = 25, 25
VIDEO_SIZE = (96, 128)


def _drawn():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    cat = (x >= 10) & (x < 60) & (y >= 10) & (y < 50)
    dog = (x - 110) ** 2 + (y - 40) ** 2 < 25**2
    distance = np.hypot(x - 45, y - 85)
    person = (distance < 28) & (distance >= 14)  # a ring: what lies in its hole is not the person
    faint = (x >= 120) & (x < 140) & (y >= 90) & (y < 110)
    return cat, dog, person, faint


MASKS = _drawn()
CLASSES = ("cat", "dog", "person", "cat")
SCORES = (0.93, 0.62, 0.5, 0.2)  # the last lies under the default of 0.35
_COLORS = ((200, 60, 50), (60, 160, 80), (70, 90, 200), (210, 180, 60))


def image():
    """(H, W, 3) uint8: the objects in plain colors on gray."""
    pixels = np.full((*SIZE, 3), GROUND, np.uint8)
    for mask, color in zip(MASKS, _COLORS, strict=True):
        pixels[mask] = color
    return pixels


def encoded(pixels, form="PNG"):
    buffer = io.BytesIO()
    PILImage.fromarray(pixels).save(buffer, format=form)
    return buffer.getvalue()


def rle_of(mask):
    return dict(encode_masks(Masks.from_dense(mask[None]))[0])


def found(mask):
    """What the server says of a mask: area, box, rle."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    box = (
        [int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1]
        if mask.any()
        else [0, 0, 0, 0]
    )
    return {"area": int(mask.sum()), "box": box, "rle": rle_of(mask)}


def result(masks=MASKS, size=SIZE, task="instances"):
    """A SegmentResult."""
    objects = [
        {
            "id": number,
            "class": name,
            "score": None if task == "semantic" else score,
            **found(mask),
        }
        for number, (mask, name, score) in enumerate(zip(masks, CLASSES, SCORES, strict=False), start=1)
    ]
    return {
        "model": "tester",
        "task": task,
        "size": list(size),
        "seconds": 0.01,
        "default_score": 0.35,
        "class_names": list(NAMES),
        "objects": objects,
    }


def walk(frame):
    """(left, top) of the square that walks down through the middle of the clip."""
    return 50, 5 + 2 * frame


def write_video(path, *, aspect=Fraction(1), begin=0):
    """A second of H.264; ``aspect``: of its pixels, ``begin``: the second at which it begins."""
    images = []
    for number in range(FRAMES):
        pixels = np.full((*VIDEO_SIZE, 3), GROUND, np.uint8)
        x, y = walk(number)
        pixels[y : y + 20, x : x + 20] = (220, 200, 60)
        images.append(pixels)
    ticks = range(begin * RATE, begin * RATE + FRAMES)
    return write_clip(path, Clip(ticks=ticks, size=VIDEO_SIZE, images=images, aspect=aspect))


def write_tracks(folder, lines, zones, *, begin=0, drawn_on="128x96"):
    """The tracks file that our own writer makes of the clip: the square, and a dog that is there at the end."""
    info = SourceInfo(
        "video", "video", rate=Fraction(RATE), time_base=Fraction(1, 12800), start=Fraction(begin)
    )
    width, height = (int(side) for side in drawn_on.split("x"))
    scale = VIDEO_SIZE[1] / width, VIDEO_SIZE[0] / height
    counter = Counter(
        [parse_line(each).scaled(*scale) for each in lines],
        [parse_zone(each).scaled(*scale) for each in zones],
    )
    with make_writers(["tracks"], Target(folder, info, "instances", NAMES, model="tester"))[0] as writer:
        for number in range(FRAMES):
            instances = _seen(number)
            counts = counter.update(instances) if lines or zones else None
            time = Fraction(number, RATE)
            frame = Frame(np.zeros((*VIDEO_SIZE, 3), np.uint8), number, time, Fraction(1, RATE))
            writer.write(FrameResult(frame, instances, counts))
    return writer.path


def seen_frame(number, *, begin=0):
    """A frame as the server says it while the job is at work."""
    instances = _seen(number)
    columns = zip(
        instances.track_ids.tolist(),
        instances.names,
        instances.scores.tolist(),
        instances.boxes.tolist(),
        encode_masks(instances.masks),
        strict=True,
    )
    objects = [
        {"id": each, "class": name, "score": score, "box": box, "rle": rle}
        for each, name, score, box, rle in columns
    ]
    return {"time": begin + number / RATE, "size": list(VIDEO_SIZE), "objects": objects}


def _seen(number):
    corners, ids, classes = [walk(number)], [1], [0]
    if number >= 15:
        corners, ids, classes = [*corners, (90, 10)], [1, 2], [0, 1]
    crops = [np.ones((20, 20), bool) for _ in corners]
    masks = Masks(crops, np.array(corners), VIDEO_SIZE)
    return Instances(masks, masks.boxes, [0.9, 0.6][: len(ids)], classes, NAMES, np.array(ids))
