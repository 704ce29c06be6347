"""Every published layout is taken for its own family, whatever other families would make of it."""

import pytest

from maskweave.models.loading import FAMILIES, recognize
from maskweave.runtimes.onnxruntime import OnnxRuntime
from tests.models.test_matting import LAYOUTS

_MAPS = {"human-seg": "human_seg"}


@pytest.mark.engine
@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_of_maps_has_one_family(name):
    info = OnnxRuntime(LAYOUTS[name]).describe()
    family = _MAPS.get(name, "matting")
    assert recognize(info)[0] == family
    answering = [each for each, module in FAMILIES.items() if module.recognize(info) is not None]
    # two channels of 192x192 are two classes as well: the family that knows the size stands first in the table
    assert answering == (["human_seg", "semantic"] if family == "human_seg" else [family])
