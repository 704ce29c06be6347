"""A model teaches what annotations leave open; what it cannot teach is reported."""

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.training.config import TrainConfig
from maskweave.training.data import TAUGHT, read_training_data
from maskweave.training.errors import TrainingDataError
from tests.models.maps import color_maps
from tests.models.tiny import save_tiny_model
from tests.training.drawn import CATEGORIES, draw_data_set, edit
from tests.training.learned import best_scores, learn_shapes

pytestmark = pytest.mark.training
DISC, SQUARE = (each["id"] for each in CATEGORIES)


def leave_squares_open(path, labeled_in=1):
    """Take the squares of all images but the first few out, and say that they are not labeled there."""
    content = json.loads(path.read_text())
    images = [
        {**image, "labelled_categories": [DISC, SQUARE] if image["id"] < labeled_in else [DISC]}
        for image in content["images"]
    ]
    kept = [
        each
        for each in content["annotations"]
        if each["category_id"] == DISC or each["image_id"] < labeled_in
    ]
    return edit(path, images=images, annotations=kept)


def of_class(data, name):
    """For each image its objects of a class."""
    index = data.class_names.index(name)
    return [[each for each in image.objects if each.class_index == index] for image in data.images]


def test_a_class_that_no_image_labels_is_learned_from_a_teacher(trained, tmp_path):
    whole = draw_data_set(tmp_path / "whole", images=8, seed=1)
    scores = {}
    for name, teacher in (("alone", None), ("taught", str(trained.model))):
        path = leave_squares_open(draw_data_set(tmp_path / name, images=8, seed=1), labeled_in=0)
        run = learn_shapes(tmp_path / f"run-{name}", path, epochs=12, teacher=teacher)
        scores[name] = best_scores(run.model, whole, "square")
    assert (scores["alone"] < 0.06).all()
    assert np.median(scores["taught"]) > 2 * 0.06


def test_a_teacher_adds_objects_where_a_class_is_not_labeled(trained, settings):
    leave_squares_open(settings["annotations"])
    config = TrainConfig(**settings, teacher=str(trained.model))
    data = read_training_data(config)
    squares = of_class(data, "square")
    assert [len(each) for each in squares][1:] == [1] * 5
    assert squares[0][0].trust == 1.0
    assert squares[0][0].mask_exact
    for (seen,) in squares[1:]:
        assert 0.45 <= seen.trust < 1
        assert not seen.mask_exact
        assert seen.mask is not None
    assert [len(each) for each in of_class(data, "disc")] == [1] * 6


def test_the_teacher_looks_once_for_a_run_folder(trained, settings):
    leave_squares_open(settings["annotations"])
    config = TrainConfig(**settings, teacher=str(trained.model))
    read_training_data(config)
    seen = settings["output"] / TAUGHT
    lines = seen.read_text().splitlines()
    assert len(lines) == 5  # the first image is labeled for all
    seen.write_text(lines[0] + "\n")
    assert [len(each) for each in of_class(read_training_data(config), "square")] == [1, 1, 0, 0, 0, 0]


def test_what_the_teacher_does_not_know_is_reported(settings, tmp_path):
    teacher = str(save_tiny_model(tmp_path / "tiny.onnx"))
    content = json.loads(settings["annotations"].read_text())
    edit(settings["annotations"], categories=[*content["categories"], {"id": 1, "name": "cat"}])
    leave_squares_open(settings["annotations"])
    messages = []
    read_training_data(TrainConfig(**settings, teacher=teacher), messages.append)
    assert messages == ["the teacher knows no disc, square: annotations alone teach these"]


def test_a_teacher_of_none_of_the_classes_is_refused(settings, tmp_path):
    leave_squares_open(settings["annotations"])
    teacher = str(save_tiny_model(tmp_path / "tiny.onnx"))
    with pytest.raises(
        TrainingDataError, match="knows none of the classes disc, square; it could teach cat, dog"
    ):
        read_training_data(TrainConfig(**settings, teacher=teacher))


def test_where_everything_is_labeled_a_teacher_is_told_to_be_of_no_use(trained, settings):
    messages = []
    data = read_training_data(TrainConfig(**settings, teacher=str(trained.model)), messages.append)
    assert messages == [
        "every image is labeled for all classes: there is nothing left for the teacher to teach"
    ]
    assert [len(image.objects) for image in data.images] == [2] * 6


def test_a_teacher_that_finds_no_instances_is_refused(settings, tmp_path):
    edit(
        settings["annotations"],
        categories=[{"id": DISC, "name": "cat"}, {"id": SQUARE, "name": "dog"}],
    )
    leave_squares_open(settings["annotations"])
    path = tmp_path / "semantic.onnx"
    path.write_bytes(color_maps(np.zeros((21, 3)), np.zeros(21), outputs=("out", "aux")))
    with pytest.raises(
        TrainingDataError, match="a teacher needs to find instances, got SemanticMap of semantic"
    ):
        read_training_data(TrainConfig(**settings, teacher=str(path)))
