"""The table of models: nothing that a user must know is left out."""

import pytest

from maskweave.catalog.cache import checksum_of, packaged_path
from maskweave.catalog.entries import all_entries, find, names
from maskweave.catalog.entry import BUILT_IN, Checksum
from maskweave.errors import UnknownModel
from maskweave.models import mask_rcnn_onnx, mask_rcnn_tf
from maskweave.ops.coco_names import COCO_IDS, COCO_NAMES

LENGTHS = {"sha256": 64, "sha1": 40, "md5": 32}


@pytest.mark.parametrize("entry", all_entries(), ids=lambda entry: entry.name)
def test_every_entry_is_complete(entry):
    assert entry.license in ("Apache-2.0", "MIT", "BSD-3-Clause")
    assert entry.preprocessing
    assert entry.metric
    assert entry.source
    assert entry.files
    assert entry.packaged or entry.class_names
    for file in entry.files:
        if entry.packaged:
            assert not file.urls
            continue
        assert file.urls
        assert all(url.startswith(("https://", "http://download.tensorflow.org/")) for url in file.urls)
        for checksum in filter(None, (file.checksum, file.archive)):
            assert len(checksum.value) == LENGTHS[checksum.algorithm]
            assert set(checksum.value) <= set("0123456789abcdef")
        assert file.checksum is not None
        assert (file.member is None) == (file.archive is None)


PACKAGED = [file for entry in all_entries() if entry.packaged for file in entry.files]


@pytest.mark.parametrize("file", PACKAGED, ids=lambda file: file.name)
def test_the_weights_in_the_package_have_their_sha256_in_the_table(file):
    path = packaged_path(file)
    if not path.is_file():
        pytest.skip(f"{file.name} is not in this checkout")
    right = Checksum("sha256", checksum_of(path, "sha256"))
    assert file.checksum == right, f"catalog/entries.py: need ModelFile({file.name!r}, {right!r})"


@pytest.mark.parametrize(("size", "side"), [("nano", 312), ("small", 384), ("medium", 432), ("large", 504)])
def test_rfdetr_comes_in_four_sizes(size, side):
    entry = find(f"rfdetr-seg-{size}")
    assert entry.class_names == COCO_NAMES
    assert f"squashed to {side}x{side}" in entry.preprocessing
    assert len({each.files[0].checksum for each in all_entries() if each.family == "rfdetr_seg"}) == 4


def test_nothing_copyleft_is_listed():
    assert not [entry.name for entry in all_entries() if entry.family.startswith("yolo")]


def test_names_are_unique():
    assert len(set(names())) == len(names())


def test_class_names_are_those_of_the_families():
    assert find("mask-rcnn-inception-v2").class_names == mask_rcnn_tf.CLASS_NAMES == tuple(COCO_IDS)
    assert find("mask-rcnn-r50-fpn").class_names == mask_rcnn_onnx.CLASS_NAMES
    assert find("mask-rcnn-r50-fpn-int8").class_names == mask_rcnn_onnx.CLASS_NAMES


def test_find():
    assert find(BUILT_IN) is find("compact-s")
    assert find("mask-rcnn-r50-fpn").files[0].size == 177_970_010
    assert find("mask-rcnn-r50-fpn").download_size == 177_970_010
    assert find("mask-rcnn-inception-v2").download_size is None


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("mask-rcnn-r50", "mask-rcnn-r50-fpn"), ("Compact-S", "compact-s"), ("builtin", "built-in")],
)
def test_a_wrong_name_gets_the_nearest(wrong, near):
    with pytest.raises(UnknownModel, match=f"model '{wrong}'.*did you mean .*{near}"):
        find(wrong)


def test_a_name_like_no_other_gets_all():
    with pytest.raises(
        UnknownModel, match="known are compact-s, compact-s-int8, guide, mask-rcnn-inception-v2"
    ):
        find("%%%")
