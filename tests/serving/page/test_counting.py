"""The page counts at lines and in zones as the library does."""

import numpy as np
import pytest

from maskweave.ops.rle import encode_masks
from maskweave.types import Instances, Masks
from maskweave.video.counting import Counter, parse_line, parse_zone

SIZE = (48, 64)
FRAMES = 60
LINES = {"gate": "8,24,56,24", "slope": "10,40,50,6", "upright": "32,44,32,4"}
ZONES = {"bay": "16,12,48,12,48,36,16,36", "corner": "0,24,64,24,64,48,0,48"}
COUNT = """async ([objects, counters, size, frames]) => {
  const { Tracks } = await import("/static/js/video/tracks.js");
  const { count } = await import("/static/js/video/counting.js");
  const tracks = new Tracks({ size, minScore: 0 });
  tracks.append(objects.map((each, frame) => ({ time: frame / 25, objects: each })));
  return counters.map((counter) => count(counter, tracks));
}"""


@pytest.fixture(scope="module")
def ways():
    """Eight objects of 5 x 5 pixels that walk at random, out of sight now and then: instances by frame."""
    random = np.random.default_rng(3)
    spots = random.uniform(5, 40, (8, 2))
    frames = []
    for _ in range(FRAMES):
        spots = np.clip(spots + random.normal(0, 2.5, spots.shape), 0, (SIZE[1] - 5, SIZE[0] - 5))
        seen = np.flatnonzero(random.random(len(spots)) < 0.9)
        crops = [np.ones((5, 5), bool) for _ in seen]
        masks = Masks(crops, spots[seen].astype(int), SIZE)
        count = len(seen)
        frames.append(
            Instances(
                masks, masks.boxes, np.ones(count), np.zeros(count, int), ("cat",), seen.astype(int) + 1
            )
        )
    return frames


def sent(instances):
    columns = zip(
        instances.track_ids.tolist(), instances.boxes.tolist(), encode_masks(instances.masks), strict=True
    )
    return [{"id": each, "class": "cat", "score": 1, "box": box, "rle": rle} for each, box, rle in columns]


def counted(page, ways, kind, texts):
    counters = [
        {
            "kind": kind,
            "name": name,
            "points": np.reshape([float(each) for each in text.split(",")], (-1, 2)).tolist(),
        }
        for name, text in texts.items()
    ]
    return page.evaluate(COUNT, [[sent(instances) for instances in ways], counters, SIZE, FRAMES])


def test_lines_have_the_same_crossings_in_the_same_frames(page, ways):
    counter = Counter([parse_line(f"{text}={name}") for name, text in LINES.items()])
    wanted = [set() for _ in LINES]
    for frame, instances in enumerate(ways):
        for line, events in zip(counter.update(instances).lines, wanted, strict=True):
            events |= {(frame, each, 1) for each in line.forward_now}
            events |= {(frame, each, -1) for each in line.backward_now}
    assert sum(map(len, wanted)) > 5
    found = counted(page, ways, "line", LINES)
    assert [
        {(each["frame"], each["id"], each["side"]) for each in line["crossings"]} for line in found
    ] == wanted


def test_zones_hold_the_same_objects_in_every_frame(page, ways):
    counter = Counter(zones=[parse_zone(f"{text}={name}") for name, text in ZONES.items()])
    inside, seen = [[] for _ in ZONES], [[] for _ in ZONES]
    for instances in ways:
        for number, zone in enumerate(counter.update(instances).zones):
            inside[number].append(len(zone.inside))
            seen[number].append(zone.seen)
    found = counted(page, ways, "zone", ZONES)
    assert [zone["inside"] for zone in found] == inside
    assert [zone["seen"] for zone in found] == seen
