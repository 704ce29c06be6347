"""The curves of a run."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")
pytest.importorskip("matplotlib", reason="draws a plot: pip install maskweave[train]")

import cv2

from maskweave.training.plots import draw_curves, read_columns, running_mean

pytestmark = pytest.mark.training

LOG = """step,minutes,size,lr,loss,classes,boxes,masks
20,0.5,96,0.001,3.7,2.0,0.8,0.9
40,1.0,96,0.001,2.8,1.5,0.6,0.7
60,1.5,128,0.001,1.9,1.0,0.4,0.5
80,2.0,12"""


def test_running_means_shorten_towards_the_ends():
    np.testing.assert_allclose(running_mean(np.array([1.0, 2, 6, 4, 0]), 3), [1, 3, 4, 10 / 3, 0])
    assert len(running_mean(np.array([]), 15)) == 0


def test_a_row_that_is_being_written_does_not_count(tmp_path):
    (tmp_path / "log.csv").write_text(LOG)
    assert read_columns(tmp_path / "log.csv")["minutes"] == [0.5, 1.0, 1.5]


def test_curves_are_drawn_before_and_after_the_first_validation(tmp_path):
    assert draw_curves(tmp_path) is None
    (tmp_path / "log.csv").write_text(LOG)
    first = cv2.imread(str(draw_curves(tmp_path)))
    (tmp_path / "val.csv").write_text("step,minutes,mask_ap,mask_ap50,box_ap,box_ap50\n60,1.5,20,30,25,35\n")
    second = cv2.imread(str(draw_curves(tmp_path)))
    assert first.shape[1] > 800
    assert first.std() > 5
    half = first.shape[1] // 2
    assert first.shape == second.shape
    assert (first[:, half:] != second[:, half:]).any()
