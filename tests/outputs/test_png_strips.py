from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskweave.errors import OutputError
from maskweave.files import written_by_maskweave
from maskweave.ops.semantic import foreground_from_instances, semantic_from_instances
from maskweave.outputs import png_strips
from maskweave.outputs.cutouts import CutoutImage
from maskweave.outputs.images import MaskImage, OverlayImage, encode_mask_image
from maskweave.outputs.png_strips import write_label_png
from maskweave.types import Frame, Instances, SemanticMap
from maskweave.types.result import FrameResult
from maskweave.types.windows import ArrayWindows
from tests.outputs.scenes import NAMES, squares, target
from tests.strategies import compact_masks


def read(source):
    with Image.open(source) as image:
        return image.mode, image.getpalette(), np.asarray(image)


def assert_same(path, prediction, task):
    write_label_png(path, prediction, task)
    mode, palette, values = read(path)
    wanted_mode, wanted_palette, wanted = read(BytesIO(encode_mask_image(prediction, task)))
    assert (mode, palette) == (wanted_mode, wanted_palette)
    assert (values == wanted).all()
    assert written_by_maskweave(path)


@settings(max_examples=20)
@given(masks=compact_masks(), strip=st.sampled_from([1, 40, 1 << 22]))
def test_strips_are_what_the_whole_image_is(tmp_path_factory, masks, strip):
    folder = tmp_path_factory.mktemp("strips")
    instances = Instances(masks, masks.boxes, np.linspace(0.2, 0.9, len(masks)), [0] * len(masks), NAMES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(png_strips, "_STRIP", strip)
        assert_same(folder / "a.png", instances, "instances")
        assert_same(folder / "b.png", semantic_from_instances(instances), "semantic")
        assert_same(folder / "c.png", foreground_from_instances(instances), "foreground")


def test_ids_of_16_bits_and_no_more(tmp_path):
    assert_same(tmp_path / "a.png", squares((3, 4), (20, 30), ids=[300, 65535]), "instances")
    with pytest.raises(OutputError, match="65536"):
        write_label_png(tmp_path / "a.png", squares((3, 4), ids=[65536]), "instances")


def large(size=(60, 80)):
    """A frame whose view is of half its size."""
    image = np.full((*size, 3), 100, np.uint8)
    return Frame(image[::2, ::2], source="street", windows=ArrayWindows(image))


def test_the_writers_of_a_image_that_is_read_in_tiles(tmp_path):
    found = squares((10, 12), (40, 32))
    with (
        MaskImage(target(tmp_path, "image")) as masks,
        OverlayImage(target(tmp_path, "image")) as overlay,
    ):
        masks.write(FrameResult(large(), found))
        overlay.write(FrameResult(large(), found))
    assert np.unique(read(masks.path)[2]).tolist() == [0, 1, 2]
    assert read(masks.path)[2].shape == (60, 80)
    drawn = read(overlay.path)[2].astype(int)
    assert drawn.shape == (30, 40, 3)
    assert np.abs(drawn[8, 7] - 100).max() > 20
    assert np.abs(drawn[25, 5] - 100).max() < 20
    with pytest.raises(OutputError, match="--tile"), CutoutImage(target(tmp_path, "image")) as cutout:
        cutout.write(FrameResult(large(), found))


def test_a_map_of_classes_is_drawn_over_the_view(tmp_path):
    classes = SemanticMap(np.zeros((60, 80), int), ("road", "sky"))
    with OverlayImage(target(tmp_path, "image", task="semantic")) as overlay:
        overlay.write(FrameResult(large(), classes))
    assert read(overlay.path)[2].shape == (30, 40, 3)
