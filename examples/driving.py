"""Who else is on the road: the road users in a video of a drive, and an image of its busiest moment.

    python examples/driving.py drive.mp4

Each object keeps its number while it is in sight, so counting numbers counts road users, not frames.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import maskweave as mw

ROAD_USERS = ("person", "bicycle", "car", "motorcycle", "bus", "truck")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("--model", default="built-in")
    parser.add_argument("--classes", nargs="+", default=ROAD_USERS)
    parser.add_argument("--image", type=Path, default=Path("busiest.jpg"))
    options = parser.parse_args()

    seen: dict[str, set[int]] = defaultdict(set)
    busiest = None
    with mw.load(options.model) as model:
        classes = [name for name in options.classes if name in model.class_names]
        for result in model.stream(options.video, classes=classes):
            found = result.instances
            for name, track_id in zip(found.names, found.track_ids, strict=True):
                seen[name].add(int(track_id))
            if busiest is None or len(found) > len(busiest.instances):
                busiest = result

    for name in sorted(seen, key=lambda name: -len(seen[name])):
        print(f"{len(seen[name]):>5} x {name}")
    if busiest is None:
        raise SystemExit(f"{options.video}: no frames")
    busiest.save(options.image)
    print(
        f"busiest after {float(busiest.frame.time):.1f} s, {len(busiest.instances)} at once: {options.image}"
    )


if __name__ == "__main__":
    main()
