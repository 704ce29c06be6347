"""What a public object is called in a notebook or a traceback is one short line."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from maskweave.api import Segmenter
from maskweave.result import Result
from maskweave.types import Frame, Instances, Masks, SemanticMap
from tests.test_stages import BrightSquare

FRAME = Frame(np.zeros((40, 60, 3), np.uint8), index=7, time=Fraction(7, 25), source="street")
MASKS = Masks.from_dense(np.ones((2, 40, 60), bool))
OBJECTS = Instances(
    MASKS, boxes=[[0, 0, 60, 40]] * 2, scores=[0.9, 0.8], class_ids=[0, 1], class_names=("cat", "dog")
)


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (FRAME, "Frame('street', index 7, 0.28 s, 40x60)"),
        (OBJECTS, "Instances(1 cat, 1 dog in 40x60)"),
        (MASKS, f"Masks(2 objects in 40x60, {MASKS.nbytes:,} bytes)"),
        (SemanticMap(np.zeros((40, 60), int), ("road", "sky")), "SemanticMap(road in 40x60)"),
        (Result(FRAME, OBJECTS, model="bright"), "Result(Instances(1 cat, 1 dog in 40x60))"),
        (Segmenter(BrightSquare()), "Segmenter(bright, 2 classes)"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_public_object_is_one_short_line(shown, text):
    assert repr(shown) == text
