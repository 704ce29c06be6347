from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from maskweave.annotations.npz import arrays_of
from maskweave.annotations.record import Category, Record
from maskweave.errors import InvalidValue
from maskweave.types import SemanticMap
from tests.annotations.scenes import collected, plain, read, records, write


@given(records())
@settings(max_examples=30)
def test_everything_comes_back(tmp_path_factory, before):
    count = len(before.instances)
    instances = before.instances.replace(
        scores=np.linspace(0, 1, count),
        track_ids=np.arange(count) + 5,
        boxes=before.instances.boxes + 0.25,
    )
    before = replace(
        before,
        instances=instances,
        crowd=np.arange(count) % 2 == 1,
        semantic=SemanticMap(np.zeros(before.size, int), ("background", "sky")),
        categories=(Category(9, "car"), Category(1, "person"), Category(200, "sky", thing=False)),
        video="clip",
        frame=3,
        time=0.12,
    )
    folder = tmp_path_factory.mktemp("npz")
    write(folder / "out", "npz", [before])
    (after,) = read(folder / "out")
    assert after.instances.masks == instances.masks
    for name in ("boxes", "scores", "class_ids", "track_ids", "class_names"):
        np.testing.assert_array_equal(getattr(after.instances, name), getattr(instances, name))
    np.testing.assert_array_equal(after.semantic.class_map, before.semantic.class_map)
    for name in ("file_name", "categories", "video", "frame", "time"):
        assert getattr(after, name) == getattr(before, name)
    assert after.crowds.tolist() == before.crowds.tolist()


def test_numpy_alone_reads_a_mask(tmp_path):
    write(tmp_path / "out", "npz", [plain()])
    with np.load(tmp_path / "out" / "a.npz") as data:
        height, width = data["shapes"][0]
        crop = np.unpackbits(data["bits"], count=height * width).reshape(height, width)
    assert crop.sum() == 35


DAMAGES = {
    "missing": (lambda arrays: arrays.pop("boxes"), "need the arrays .*; missing boxes"),
    "pickled": (lambda arrays: arrays.update(boxes=np.array([{}])), "need a NumPy archive"),
    "bits": (lambda arrays: arrays.update(bits=np.zeros(3, np.uint8)), "need 13 packed bytes .* got 3"),
    "shapes": (lambda arrays: arrays.update(shapes=np.array([[-1, 3]])), r"need shapes \(N, 2\)"),
    "outside": (
        lambda arrays: arrays.update(corners=np.array([[99, 0], [0, 0]])),
        "crop 0: need pixels inside",
    ),
    "scores": (lambda arrays: arrays.update(scores=np.array([2.0, 1.0])), "scores: need values in"),
    "path": (lambda arrays: arrays.update(file_name=np.array("/etc/passwd")), "need a file name that stays"),
    "size": (lambda arrays: arrays.update(size=np.array([0, 3])), "need a height and a width"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_broken_archive_is_named_and_the_rest_goes_on(tmp_path, name):
    change, message = DAMAGES[name]
    write(tmp_path / "out", "npz", [plain("a.png"), plain("b.png")])
    arrays = arrays_of(plain("a.png"))
    change(arrays)
    np.savez(tmp_path / "out" / "a.npz", **arrays)
    found, (line,) = collected(tmp_path / "out", "npz")
    assert [each.file_name for each in found] == ["b.png"]
    assert line.startswith("a.npz: ")
    with pytest.raises(Exception, match=message):
        read(tmp_path / "out", "npz")


def test_what_is_no_archive_is_named(tmp_path):
    write(tmp_path / "out", "npz", [plain("b.png")])
    (tmp_path / "out" / "c.npz").write_bytes(b"PK\3\4 cut")
    found, (line,) = collected(tmp_path / "out")
    assert (len(found), line[:25]) == (1, "c.npz: need a NumPy archi")
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidValue, match="found none"):
        read(tmp_path / "none", "npz")


def test_an_empty_image_has_empty_arrays(tmp_path):
    empty = Record("a.png", plain().instances[[]])
    write(tmp_path / "out", "npz", [empty])
    assert len(read(tmp_path / "out")[0].instances) == 0
