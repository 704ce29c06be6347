"""The backend for Label Studio, over HTTP, as Label Studio calls it."""

import base64
import json
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import maskweave as mw
from maskweave.connectors.label_studio import Backend, Controls, Fetcher
from maskweave.connectors.label_studio_server import make_server
from maskweave.errors import InvalidValue, UnreadableImage
from maskweave.ops.brush_rle import decode_brush
from tests.models.tiny import save_tiny_model

CONFIG = """<View><Image name="photo" value="$image"/>
  <BrushLabels name="brush" toName="photo"><Label value="Pet" predicted_values="cat,dog"/></BrushLabels>
  <KeyPointLabels name="click" toName="photo" smart="true"><Label value="Pet"/></KeyPointLabels></View>"""


@pytest.fixture(scope="module")
def segmenter(tmp_path_factory):
    with mw.load(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")) as loaded:
        yield loaded


def photo():
    """A bright square, 40 to 80 in both directions, on black, as PNG."""
    image = np.zeros((100, 150, 3), np.uint8)
    image[40:80, 40:80] = 255
    data = BytesIO()
    Image.fromarray(image).save(data, format="PNG")
    return data.getvalue()


def is_square(mask):
    truth = np.zeros((100, 150), bool)
    truth[40:80, 40:80] = True
    return (mask & truth).sum() / (mask | truth).sum() > 0.85


@contextmanager
def served(backend, **options):
    with make_server(backend, port=0, **options) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def post(url, request, **headers):
    data = request if isinstance(request, bytes) else json.dumps(request).encode()
    asked = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json", **headers})
    with urllib.request.urlopen(asked, timeout=60) as answer:
        return json.loads(answer.read())


def predict(url, *, config=CONFIG, context=None, tasks=None, **headers):
    tasks = [{"id": 1, "data": {"image": "/data/upload/1/a.png"}}] if tasks is None else tasks
    request = {"tasks": tasks, "label_config": config, "params": {"context": context}}
    return post(f"{url}/predict", request, **headers)["results"]


def mark(kind, **value):
    return {
        "result": [
            {"type": kind, "original_width": 150, "original_height": 100, "value": value, "is_positive": 1}
        ]
    }


def test_an_image_gets_brushes_with_the_projects_own_labels(segmenter):
    with served(Backend(segmenter, lambda address: photo())) as url:
        (answer,) = predict(url)
    (region,) = answer["result"]
    assert (region["from_name"], region["to_name"], region["type"]) == ("brush", "photo", "brushlabels")
    assert region["value"]["brushlabels"] == ["Pet"]
    assert 0 < answer["score"] == region["score"] <= 1
    assert is_square(decode_brush(region["value"]["rle"], (100, 150)))


def test_a_project_of_polygons_gets_polygons(segmenter):
    config = CONFIG.replace("BrushLabels", "PolygonLabels")
    with served(Backend(segmenter, lambda address: photo())) as url:
        (answer,) = predict(url, config=config)
    (region,) = answer["result"]
    points = np.array(region["value"]["points"])
    assert region["type"] == "polygonlabels"
    assert np.abs(points.min(axis=0) - (40 / 1.5, 40)).max() < 3


@pytest.mark.parametrize(
    "marked",
    [
        mark("rectanglelabels", x=26, y=39, width=28, height=42, rectanglelabels=["Pet"]),
        mark("keypointlabels", x=40, y=60, width=1, keypointlabels=["Pet"]),
    ],
)
def test_clicks_and_boxes_give_the_object_that_they_mean(segmenter, marked):
    with served(Backend(segmenter, lambda address: photo())) as url:
        (answer,) = predict(url, context=marked)
    (region,) = answer["result"]
    assert region["value"]["brushlabels"] == ["Pet"]
    assert is_square(decode_brush(region["value"]["rle"], (100, 150)))


def test_an_image_that_cannot_be_had_costs_its_own_task_only(segmenter):
    def fetch(address):
        if "bad" in address:
            raise UnreadableImage(f"{address}: cannot be fetched")
        return photo()

    tasks = [{"data": {"image": name}} for name in ("bad.png", "good.png")] + [{"data": {}}]
    with served(Backend(segmenter, fetch)) as url:
        answers = predict(url, tasks=tasks)
    assert [len(each["result"]) for each in answers] == [0, 1, 0]
    assert answers[0]["error"] == "bad.png: cannot be fetched"
    assert answers[2]["error"] == "the task's image: need a text, got NoneType"


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("predict", b"no json", "need a JSON object"),
        ("predict", [], "need a JSON object"),
        ("predict", {"label_config": "<View/>"}, "need an Image with BrushLabels or PolygonLabels"),
        ("predict", {"label_config": "<View"}, "labeling configuration: need XML"),
        ("predict", {"label_config": CONFIG, "tasks": 5}, "need a list of tasks"),
        ("setup", {"schema": None}, "need a text, got NoneType"),
        ("nonsense", {}, "need one of /predict, /setup"),
    ],
)
def test_nonsense_is_answered_with_a_sentence(segmenter, path, body, message):
    with served(Backend(segmenter, lambda address: photo())) as url:
        with pytest.raises(urllib.error.HTTPError) as refused:
            post(f"{url}/{path}", body)
        with refused.value as answer:
            assert (answer.code, message in json.loads(answer.read())["error"]) == (400, True)
        assert len(predict(url)[0]["result"]) == 1


def test_marks_that_make_no_sense_are_an_error_of_the_task(segmenter):
    with served(Backend(segmenter, lambda address: photo())) as url:
        (answer,) = predict(url, context={"result": [{"type": "keypointlabels", "value": {}}]})
    assert (answer["result"], "need regions of points and rectangles" in answer["error"]) == ([], True)


def test_a_login_is_asked_for_where_there_is_one(segmenter):
    with served(Backend(segmenter, lambda address: photo()), login="me:secret") as url:
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            predict(url)
        refused.value.close()
        login = base64.b64encode(b"me:secret").decode()
        assert len(predict(url, Authorization=f"Basic {login}")[0]["result"]) == 1


def test_other_machines_are_not_served_without_a_login(segmenter):
    with pytest.raises(InvalidValue, match="need --login-file"):
        make_server(Backend(segmenter, lambda address: b""), host="0.0.0.0", port=0)


def test_a_document_type_in_the_configuration_is_refused():
    with pytest.raises(InvalidValue, match="need plain XML, got a document type"):
        Controls.parse('<!DOCTYPE x [<!ENTITY a "b">]>' + CONFIG)


def test_images_are_fetched_from_label_studio_alone():
    fetch = Fetcher("http://127.0.0.1:9")
    for address in ("http://169.254.169.254/latest", "file:///etc/passwd", "//elsewhere/a.png"):
        with pytest.raises(UnreadableImage, match="need an image on http://127"):
            fetch(address)


def test_a_label_studio_that_does_not_answer_is_told():
    with pytest.raises(UnreadableImage, match=r"cannot be fetched .*; check --url and the token"):
        Fetcher("http://127.0.0.1:9")("/data/a.png")


def test_an_embedded_image_needs_no_fetching():
    address = "data:image/png;base64," + base64.b64encode(photo()).decode()
    assert Fetcher("http://127.0.0.1:9")(address) == photo()
