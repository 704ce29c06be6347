import numpy as np
from PIL import Image

from maskweave.outputs.davis import DavisFolder
from maskweave.outputs.palette import voc_palette
from maskweave.types import SemanticMap
from tests.outputs.scenes import SIZE, frame, squares, target


def written(folder, *results, task="instances", names=()):
    with DavisFolder(target(folder, task=task)) as writer:
        for index, result in enumerate(results):
            writer.write(frame(index, name=names[index] if names else ""), result)
    return writer


def test_pictures_are_8_bit_with_the_palette_and_ids_as_values(tmp_path):
    writer = written(tmp_path, squares((5, 5), (30, 30), ids=[7, 254]), squares())
    assert writer.path.name == "street.davis"
    assert sorted(path.name for path in writer.path.iterdir()) == ["00000.png", "00001.png"]
    first = Image.open(writer.path / "00000.png")
    assert (first.mode, first.size) == ("P", SIZE[::-1])
    assert np.array(first.getpalette("RGB")).reshape(-1, 3).tolist() == voc_palette().tolist()
    values = np.asarray(first)
    assert (values[10, 10], values[35, 35], values[0, 0]) == (7, 254, 0)
    assert (values == 7).sum() == 100
    assert not np.asarray(Image.open(writer.path / "00001.png")).any()
    assert writer.warnings == []


def test_frames_of_a_folder_keep_their_names(tmp_path):
    writer = written(tmp_path, squares(), squares(), names=["img_7", "img_8"])
    assert sorted(path.name for path in writer.path.iterdir()) == ["img_7.png", "img_8.png"]


def test_ids_that_do_not_fit_are_left_out_with_a_warning_and_never_wrapped(tmp_path):
    big = squares((5, 5), (5, 5), (30, 30), ids=[255, 3, 256])
    writer = written(tmp_path, big, big)
    values = np.asarray(Image.open(writer.path / "00000.png"))
    assert set(np.unique(values)) == {0, 3}  # what lies under an object left out is seen
    assert (values == 3).sum() == 100
    (warning,) = writer.warnings
    assert "2 objects with ids above 254 (from 255 on) are left out" in warning


def test_a_foreground_is_object_1(tmp_path):
    mask = np.zeros(SIZE, int)
    mask[3:9, 4:8] = 1
    writer = written(tmp_path, SemanticMap(mask, ("background", "foreground")), task="foreground")
    np.testing.assert_array_equal(np.asarray(Image.open(writer.path / "00000.png")), mask)
