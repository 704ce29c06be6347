"""Images over HTTP: the same results as in Python, in every form that is offered."""

import io
import json
import shutil

import numpy as np
import pytest
from PIL import Image as PILImage

import maskweave
from maskweave.catalog.cache import locate
from maskweave.catalog.entries import find
from maskweave.models.base import Model
from maskweave.models.loading import FAMILIES
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.serving.models import PROMPTABLE
from maskweave.types.masks import Masks
from tests.serving.conftest import running_server

FORM = {"content-type": "image/png"}

CLASSES = len(maskweave.load().class_names)  # of the model in the package


def ask(client, path, image, request):
    return client.post(path, files={"image": ("name.png", image)}, data={"request": json.dumps(request)})


def disc_rle(blob):
    mask = (blob == (220, 30, 30)).all(axis=2)
    (rle,) = encode_masks(Masks.from_dense(mask[None]))
    return mask, rle


def test_segment_gives_what_the_library_gives(client, image, blob):
    with maskweave.load() as segmenter:
        expected = segmenter(blob, score=0.02, multi_label=False).instances
    answer = client.post("/v1/segment", params={"score": 0.02}, content=image, headers=FORM)
    found = answer.json()
    assert answer.status_code == 200
    assert found["size"] == [96, 128]
    assert found["task"] == "instances"
    assert tuple(found["class_names"]) == expected.class_names
    assert [each["class"] for each in found["objects"]] == list(expected.names)
    assert [each["area"] for each in found["objects"]] == expected.masks.areas.tolist()
    masks = decode_masks([each["rle"] for each in found["objects"]], (96, 128))
    assert masks == expected.masks
    assert len(masks) > 0


def test_a_form_and_the_raw_bytes_give_the_same(client, image):
    raw = client.post("/v1/segment", content=image, headers=FORM).json()
    form = client.post("/v1/segment", files={"image": ("a.png", image)}).json()
    assert {**raw, "seconds": 0} == {**form, "seconds": 0}


@pytest.mark.parametrize(("task", "seen"), [("semantic", None), ("foreground", ["foreground"])])
def test_maps_have_one_object_for_each_class_that_is_seen(client, image, task, seen):
    query = {"task": task, "score": 0.02}
    found = client.post("/v1/segment", params=query, content=image, headers=FORM).json()
    names = [each["class"] for each in found["objects"]]
    assert found["task"] == task
    assert names == seen or (seen is None and names and len(set(names)) == len(names))
    assert "background" not in names
    assert {each["score"] for each in found["objects"]} == {None}


@pytest.mark.parametrize(("accept", "form"), [("image/png", "PNG"), ("image/jpeg,*/*;q=0.1", "JPEG")])
def test_images_are_given_where_accept_asks_for_them(client, image, accept, form):
    answer = client.post("/v1/segment", content=image, headers={**FORM, "accept": accept})
    with PILImage.open(io.BytesIO(answer.content)) as opened:
        assert (opened.format, opened.size) == (form, (128, 96))


def test_a_media_type_that_is_not_offered_is_told(client, image):
    answer = client.post("/v1/segment", content=image, headers={**FORM, "accept": "text/html"})
    assert answer.status_code == 406


def test_a_box_becomes_an_object(client, image, blob):
    mask, _ = disc_rle(blob)
    answer = ask(client, "/v1/refine", image, {"box": [20, 10, 80, 70]})
    found = answer.json()["object"]
    (got,) = decode_masks([found["rle"]], (96, 128)).dense()
    assert np.mean(got[mask]) > 0.95
    assert found["area"] == got.sum() < 1.1 * mask.sum()


def test_points_correct_a_mask(client, image, blob):
    mask, _ = disc_rle(blob)
    wrong = mask.copy()
    wrong[60:, 100:] = True  # a corner that is not of the disc
    (rle,) = encode_masks(Masks.from_dense(wrong[None]))
    answer = ask(client, "/v1/refine", image, {"rle": rle, "points": [[120, 90, 0], [50, 40, 1]]})
    (got,) = decode_masks([answer.json()["object"]["rle"]], (96, 128)).dense()
    assert not got[90, 120]
    assert got[40, 50]
    assert (got != mask).sum() < (wrong != mask).sum() / 4


@pytest.mark.parametrize(
    "request_",
    [
        {},
        {"points": [[500, 5, 1]]},
        {"points": [[5, 5, 0]]},
        {"box": [40, 40, 10, 10]},
        {"rle": {"size": [9, 9], "counts": [81]}},
        {"points": [[5, 5, 2]]},
        {"box": [1, 2, 3, 4], "unknown": 1},
    ],
)
def test_a_wrong_request_is_told_in_one_line(client, image, request_):
    answer = ask(client, "/v1/refine", image, request_)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 422
    assert "\n" not in answer.json()["detail"]


def test_every_format_that_is_listed_can_be_exported(client, image, blob):
    mask, rle = disc_rle(blob)
    objects = [{"id": 7, "class": "ball", "score": 0.5, "rle": rle, "area": 3, "box": [0, 0, 1, 1]}]
    formats = client.get("/v1/formats").json()["image"]
    told = client.get("/openapi.json").json()["paths"]["/v1/export"]["post"]["responses"]["200"]["content"]
    kinds = set()
    assert {"overlay", "masks", "coco", "cutout", "csv"} <= set(formats)
    for name in formats:
        answer = ask(client, "/v1/export", image, {"format": name, "objects": objects})
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-disposition"].startswith('attachment; filename="image')
        kinds.add(answer.headers["content-type"].partition(";")[0])
    assert kinds == set(told)
    masks = ask(client, "/v1/export", image, {"format": "masks", "objects": objects})
    with PILImage.open(io.BytesIO(masks.content)) as opened:
        assert np.array_equal(np.asarray(opened) == 7, mask)


def test_exports_bear_the_images_own_name(client, image, blob):
    _, rle = disc_rle(blob)
    objects = [{"id": 1, "class": "ball", "rle": rle}]
    wish = {"format": "coco", "objects": objects, "name": "a photo.jpg"}
    coco = ask(client, "/v1/export", image, wish).json()
    assert [each["file_name"] for each in coco["images"]] == ["a photo.jpg"]


@pytest.mark.parametrize("name", ["../a.jpg", "/etc/passwd", "a\\b.jpg", ".hidden", "", "a\nb", "c:d"])
def test_a_name_that_leads_elsewhere_is_refused(client, image, blob, name):
    _, rle = disc_rle(blob)
    objects = [{"id": 1, "class": "ball", "rle": rle}]
    answer = ask(client, "/v1/export", image, {"format": "coco", "objects": objects, "name": name})
    assert answer.status_code == 422
    assert "name" in answer.json()["detail"]


def test_export_puts_objects_before_a_background(client, image, blob):
    _, rle = disc_rle(blob)
    wish = {
        "format": "cutout",
        "objects": [{"id": 1, "class": "ball", "rle": rle}],
        "options": {"background": "#00ff00"},
    }
    answer = ask(client, "/v1/export", image, wish)
    with PILImage.open(io.BytesIO(answer.content)) as opened:
        pixels = np.asarray(opened)
    assert pixels[0, 0].tolist() == [0, 255, 0]
    assert pixels[40, 50].tolist() == [220, 30, 30]


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ({"score": 2}, "score"),
        ({"score": "nan"}, "score"),
        ({"classes": "unicorn"}, "unicorn"),
        ({"task": "dream"}, "task"),
        ({"model": "/etc/passwd"}, "model"),
        ({"model": "../catalog/weights/compact-s.onnx"}, "model"),
    ],
)
def test_wrong_queries_are_told(client, image, query, word):
    answer = client.post("/v1/segment", params=query, content=image, headers=FORM)
    assert answer.status_code == 422
    assert word in answer.json()["detail"]


def test_a_image_over_the_budget_is_refused_before_it_is_decoded(client):
    buffer = io.BytesIO()
    PILImage.new("1", (8000, 8000)).save(buffer, format="PNG")
    bomb = buffer.getvalue()
    assert len(bomb) < 20_000  # 64 Mpx
    answer = client.post("/v1/segment", content=bomb, headers=FORM)
    assert answer.status_code == 413
    assert "Mpx" in answer.json()["detail"]


def test_models_and_formats(client):
    models = client.get("/v1/models").json()
    assert models[0] == {
        "name": "compact-s",
        "task": "instances",
        "license": "Apache-2.0",
        "classes": CLASSES,
        "here": True,
        "promptable": False,
        "bytes": None,
        "source": models[0]["source"],
        "how": "",
        "fetching": None,
        "removable": False,
    }
    assert "tracks" in client.get("/v1/formats").json()["video"]


def test_the_default_model_is_listed_and_asked_for_by_its_name_also_where_it_is_a_file(tmp_path, image):
    path = tmp_path / "mine.onnx"
    shutil.copy(locate(find("built-in"))[0], path)
    with running_server(model=str(path)) as server, server.client() as client:
        first = client.get("/v1/models").json()[0]
        assert (first["name"], first["task"], first["classes"]) == ("mine", "instances", CLASSES)
        query = {"model": "mine"}
        answer = client.post("/v1/segment", params=query, content=image, headers=FORM)
        assert answer.json()["model"] == "mine"
        other = client.post("/v1/segment", params={"model": "compact-s"}, content=image, headers=FORM)
        assert other.json()["model"] == "compact-s"


def test_a_model_that_is_not_here_is_not_fetched(monkeypatch, tmp_path, image):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    with running_server() as server, server.client() as client:
        away = next(each["name"] for each in client.get("/v1/models").json() if not each["here"])
        answer = client.post("/v1/segment", params={"model": away}, content=image, headers=FORM)
    assert answer.status_code == 422
    assert list(tmp_path.iterdir()) == []


def test_promptable_models_are_those_that_need_a_prompt():
    for family, module in FAMILIES.items():
        models = [
            each for each in vars(module).values() if isinstance(each, type) and issubclass(each, Model)
        ]
        needs = any(each.needs_prompt for each in models)
        assert needs == (family in PROMPTABLE), family
