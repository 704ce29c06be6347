"""All that a run trains on: annotations, more annotations, and what teachers saw."""

import json

import pytest

pytest.importorskip("torch", reason="training needs torch: pip install maskweave[train]")

from maskweave.training.config import TrainConfig
from maskweave.training.data import read_training_data
from maskweave.training.errors import TrainingDataError
from tests.training.drawn import draw_data_set, edit

pytestmark = pytest.mark.training


@pytest.fixture
def more(settings, tmp_path):
    """Settings with a second file whose categories have other ids, in another order; image ids follow the first's."""
    path = draw_data_set(tmp_path / "more", images=2, seed=3)
    content = json.loads(path.read_text())
    ids = {7: 2, 9: 1}
    edit(
        path,
        categories=[{"id": 1, "name": "square"}, {"id": 2, "name": "disc"}, {"id": 3, "name": "star"}],
        images=[{**each, "id": each["id"] + 100} for each in content["images"]],
        annotations=[
            {**each, "image_id": each["image_id"] + 100, "category_id": ids[each["category_id"]]}
            for each in content["annotations"]
        ],
    )
    return {**settings, "more_annotations": path, "more_images": path.parent / "images"}


def test_more_annotations_add_images_and_classes_meet_by_name(more):
    data = read_training_data(TrainConfig(**more))
    assert data.class_names == ("disc", "square")
    assert len(data.images) == 8
    for image in data.images:
        disc, square = sorted(image.objects, key=lambda item: item.box[0])  # discs are drawn left of squares
        assert (disc.class_index, square.class_index) == (0, 1)
    assert data.images[-1].path.parent == more["more_images"]


def test_soft_objects_reach_both_files(more, tmp_path):
    for key in ("annotations", "more_annotations"):
        content = json.loads(more[key].read_text())
        edit(more[key], images=[{**each, "labelled_categories": []} for each in content["images"]])
    seen = tmp_path / "seen.jsonl"
    lines = [{"image_id": number, "boxes": [[40, 0, 60, 6, 0.8, 9, None]]} for number in (0, 101)]
    seen.write_text("\n".join(map(json.dumps, lines)))
    data = read_training_data(TrainConfig(**more, soft_objects=seen))
    assert [image.image_id for image in data.images if len(image.objects) == 3] == [0, 101]


def test_image_ids_that_both_files_use_are_refused_where_objects_are_kept_by_id(more, tmp_path):
    again = {**more, "more_annotations": more["annotations"], "more_images": more["images"]}
    assert len(read_training_data(TrainConfig(**again)).images) == 12
    (tmp_path / "seen.jsonl").write_text("")
    with pytest.raises(TrainingDataError, match=r"need image ids .*, got 6 of the same"):
        read_training_data(TrainConfig(**again, soft_objects=tmp_path / "seen.jsonl"))
