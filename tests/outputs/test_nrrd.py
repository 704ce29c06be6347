from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("nrrd", reason="needs the extra [medical]")

import nrrd

from maskweave.errors import OutputError
from maskweave.outputs.nrrd import NrrdFile
from maskweave.types import SemanticMap, SourceInfo
from maskweave.types.result import FrameResult
from maskweave.types.volume import VolumeGrid
from tests.outputs.scenes import NAMES, SIZE, frame, squares, target

GRID = VolumeGrid((-10, 20, 5.5), (0.75, 0, 0), (0, 0.5, 0), (0, 0.25, 3))


def on_grid(folder, **options):
    goal = target(folder, **options)
    return type(goal)(
        folder, SourceInfo("street", goal.info.kind, grid=GRID), goal.task, NAMES, model="tester"
    )


def test_a_volume_of_ids_lies_where_the_series_does(tmp_path):
    slices = [squares((5, 7), ids=[4]), squares(ids=[]), squares((6, 7), (40, 30), ids=[4, 300])]
    with NrrdFile(on_grid(tmp_path)) as writer:
        for index, found in enumerate(slices):
            writer.write(FrameResult(frame(index), found))
    data, header = nrrd.read(str(tmp_path / "street.nrrd"))
    assert data.shape == (SIZE[1], SIZE[0], 3)
    assert data.dtype == np.uint16
    assert [sorted(np.unique(data[..., each])) for each in range(3)] == [[0, 4], [0], [0, 4, 300]]
    assert (data[5:15, 7:17, 0] == 4).all()
    assert header["space"] == "left-posterior-superior"
    assert header["space origin"].tolist() == [-10, 20, 5.5]
    assert header["space directions"].tolist() == [[0.75, 0, 0], [0, 0.5, 0], [0, 0.25, 3]]
    assert (header["class_of_4"], header["class_of_300"]) == ("person", "person")


def test_volumes_of_a_series_are_the_fourth_axis(tmp_path):
    goal = target(tmp_path)
    info = SourceInfo("street", goal.info.kind, grid=replace(GRID, depth=2))
    with NrrdFile(type(goal)(tmp_path, info, goal.task, NAMES, model="tester")) as writer:
        for index in range(6):
            writer.write(FrameResult(frame(index), squares((5, 7), ids=[index + 1])))
    data, header = nrrd.read(str(tmp_path / "street.nrrd"))
    assert data.shape == (SIZE[1], SIZE[0], 2, 3)
    assert [[data[..., k, t].max() for k in range(2)] for t in range(3)] == [[1, 2], [3, 4], [5, 6]]
    assert header["kinds"] == ["domain", "domain", "domain", "list"]


@pytest.mark.parametrize("task", ["semantic", "foreground"])
def test_a_volume_of_classes(tmp_path, task):
    names = ("background", "foreground")
    with NrrdFile(target(tmp_path, "image", task=task)) as writer:
        writer.write(FrameResult(frame(0), SemanticMap(np.eye(*SIZE, dtype=int), names)))
    data, header = nrrd.read(str(tmp_path / "street.nrrd"))
    assert (data[..., 0] == np.eye(*SIZE).T).all()
    assert data.dtype == np.uint8
    assert header["class_of_1"] == "foreground"
    assert "space" not in header


def write_both(folder, *results):
    with NrrdFile(target(folder)) as writer:
        for result in results:
            writer.write(FrameResult(frame(0), result))


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(OutputError, match="65536"), NrrdFile(target(tmp_path)) as writer:
        writer.write(FrameResult(frame(0), squares((5, 7), ids=[65536])))
    with pytest.raises(OutputError, match="one size"):
        write_both(tmp_path, squares((5, 7)), squares((5, 7), size=(70, 90)))
    assert list(tmp_path.iterdir()) == []


def test_our_own_volume_is_replaced_and_a_foreign_one_is_not(tmp_path):
    for _ in range(2):
        with NrrdFile(target(tmp_path)) as writer:
            writer.write(FrameResult(frame(0), squares((5, 7))))
    nrrd.write(str(tmp_path / "street.nrrd"), np.zeros((2, 2, 2), np.uint8))
    with pytest.raises(OutputError, match="did not write"), NrrdFile(target(tmp_path)) as writer:
        writer.write(FrameResult(frame(0), squares((5, 7))))
