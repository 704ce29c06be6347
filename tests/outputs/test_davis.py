import numpy as np
from PIL import Image

from maskweave.ops.palette import voc_palette
from maskweave.types import SemanticMap
from maskweave.types.result import FrameResult
from tests.outputs.scenes import SIZE, frame, squares, target, writer_of


def written(folder, *results, task="instances", names=()):
    with writer_of("davis", target(folder, task=task)) as writer:
        for index, result in enumerate(results):
            writer.write(FrameResult(frame(index, name=names[index] if names else ""), result))
    return writer


def test_images_are_8_bit_with_the_palette_and_ids_as_values(tmp_path):
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


def test_ids_that_do_not_fit_get_free_numbers_for_the_whole_video(tmp_path):
    writer = written(tmp_path, squares((5, 5), (30, 30), ids=[255, 1]), squares((20, 5), ids=[255]))
    first, second = (np.asarray(Image.open(writer.path / f"0000{number}.png")) for number in (0, 1))
    assert (first[10, 10], first[35, 35], second[10, 25]) == (2, 1, 2)
    assert writer.warnings == []


def test_more_objects_than_there_are_numbers_are_left_out_with_a_warning(tmp_path):
    corners = [(x, y) for y in range(0, 60, 3) for x in range(0, 78, 6)]
    writer = written(tmp_path, squares(*corners, ids=range(1, len(corners) + 1), side=2))
    values = np.asarray(Image.open(writer.path / "00000.png"))
    assert values.max() == 254
    assert writer.warnings == [
        "davis: 6 of 260 objects are left out: the format has no more numbers for them"
    ]


def test_a_foreground_is_object_1(tmp_path):
    mask = np.zeros(SIZE, int)
    mask[3:9, 4:8] = 1
    writer = written(tmp_path, SemanticMap(mask, ("background", "foreground")), task="foreground")
    np.testing.assert_array_equal(np.asarray(Image.open(writer.path / "00000.png")), mask)
