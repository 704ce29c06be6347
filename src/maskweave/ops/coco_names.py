"""COCO's 80 object names and their category ids, which have gaps. For readers and writers only.

Source: the COCO 2017 annotations, https://cocodataset.org/#format-data.
"""

from __future__ import annotations

from collections.abc import Sequence

COCO_IDS: dict[str, int] = {
    "person": 1, "bicycle": 2, "car": 3, "motorcycle": 4, "airplane": 5, "bus": 6, "train": 7, "truck": 8,
    "boat": 9, "traffic light": 10, "fire hydrant": 11, "stop sign": 13, "parking meter": 14, "bench": 15,
    "bird": 16, "cat": 17, "dog": 18, "horse": 19, "sheep": 20, "cow": 21, "elephant": 22, "bear": 23,
    "zebra": 24, "giraffe": 25, "backpack": 27, "umbrella": 28, "handbag": 31, "tie": 32, "suitcase": 33,
    "frisbee": 34, "skis": 35, "snowboard": 36, "sports ball": 37, "kite": 38, "baseball bat": 39,
    "baseball glove": 40, "skateboard": 41, "surfboard": 42, "tennis racket": 43, "bottle": 44,
    "wine glass": 46, "cup": 47, "fork": 48, "knife": 49, "spoon": 50, "bowl": 51, "banana": 52, "apple": 53,
    "sandwich": 54, "orange": 55, "broccoli": 56, "carrot": 57, "hot dog": 58, "pizza": 59, "donut": 60,
    "cake": 61, "chair": 62, "couch": 63, "potted plant": 64, "bed": 65, "dining table": 67, "toilet": 70,
    "tv": 72, "laptop": 73, "mouse": 74, "remote": 75, "keyboard": 76, "cell phone": 77, "microwave": 78,
    "oven": 79, "toaster": 80, "sink": 81, "refrigerator": 82, "book": 84, "clock": 85, "vase": 86,
    "scissors": 87, "teddy bear": 88, "hair drier": 89, "toothbrush": 90,
}  # fmt: skip

COCO_NAMES: tuple[str, ...] = tuple(COCO_IDS)
"""The 80 names in order of their ids."""

SPARSE_NAMES: tuple[str, ...] = tuple(
    {coco_id: name for name, coco_id in COCO_IDS.items()}.get(coco_id, "") for coco_id in range(91)
)
"""The name of each id 0..90, for networks with an output for every id; "" for 0 and the ten ids never used."""

LABEL_CLASSES: tuple[int, ...] = tuple(
    {coco_id: index for index, coco_id in enumerate(COCO_IDS.values())}.get(label, -1)
    for label in range(1, 91)
)
"""Index in `COCO_NAMES` of each label 0..89 (COCO's id less one) of networks with an output for every id.

-1 for the ten ids that COCO never used, 12, 26, 29, 30, 45, 66, 68, 69, 71 and 83: their outputs were never
trained.
"""

FIRST_FREE_ID = 101  # beyond COCO's own, stuff-free range of things


def category_ids(class_names: Sequence[str]) -> list[int]:
    """Give each class its COCO id where the name is one of COCO's, and 101, 102, … to the others in order."""
    others = [name for name in class_names if name not in COCO_IDS]
    free = {name: FIRST_FREE_ID + index for index, name in enumerate(dict.fromkeys(others))}
    return [COCO_IDS.get(name) or free[name] for name in class_names]
