import numpy as np
import pytest

from maskweave.errors import InvalidValue
from maskweave.types import IGNORE, SemanticMap


def test_mask_present_and_ignore():
    semantic = SemanticMap(np.array([[0, 1], [IGNORE, 1]]), ("background", "cat", "dog"))
    assert semantic.present() == ("background", "cat")
    assert semantic.mask("cat").sum() == 2
    with pytest.raises(InvalidValue, match="need one of background, cat, dog, got 'cow'"):
        semantic.mask("cow")


@pytest.mark.parametrize(
    ("class_map", "message"),
    [
        (np.zeros((2, 2)), "integers, got .* float64"),
        (np.zeros((0, 2), int), "non-empty"),
        (np.full((2, 2), 3), r"need 0..1 or 255 \(ignore\), got 3"),
        (np.full((2, 2), -1), "got -1"),
    ],
)
def test_malformed_maps_are_refused(class_map, message):
    with pytest.raises(InvalidValue, match=message):
        SemanticMap(class_map, ("a", "b"))


def test_probabilities_are_checked():
    with pytest.raises(InvalidValue, match="mask_probs"):
        SemanticMap(np.zeros((2, 2), int), ("a",), mask_probs=np.full((2, 2), 1.5))
