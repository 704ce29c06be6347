"""CVAT's own driver calls the function and sends what it gives to a server that answers as CVAT does."""

import json
import logging
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from types import SimpleNamespace
from zipfile import ZipFile

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("cvat_sdk", reason="needs CVAT's package: pip install cvat-sdk")

import cvat_sdk.auto_annotation as cvataa
from cvat_sdk import Client, Config
from cvat_sdk.masks import decode_mask, encode_mask

from maskweave.connectors import cvat
from maskweave.errors import InvalidValue
from maskweave.ops.polygons import rings_to_mask
from tests.models.tiny import save_tiny_model

SIZE = (100, 150)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return cvat.create(model=str(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")))


def photo():
    """A bright square, 40 to 80 in both directions, on black."""
    image = np.zeros((*SIZE, 3), np.uint8)
    image[40:80, 40:80] = 255
    return Image.fromarray(image)


def context(**changes):
    return SimpleNamespace(
        **{"frame_name": "a.png", "conf_threshold": None, "conv_mask_to_poly": False, **changes}
    )


def square(mask):
    truth = np.zeros(SIZE, bool)
    truth[40:80, 40:80] = True
    return (mask & truth).sum() / (mask | truth).sum() > 0.85


def test_an_object_is_a_mask_in_cvats_own_coding(detector):
    (shape,) = detector.detect(context(), photo())
    assert (shape.type.value, shape.frame) == ("mask", 0)
    assert square(decode_mask(shape.points, image_width=150, image_height=100))


def test_where_masks_are_not_allowed_it_is_a_polygon(detector):
    (shape,) = detector.detect(context(conv_mask_to_poly=True), photo())
    assert shape.type.value == "polygon"
    assert square(rings_to_mask([np.reshape(shape.points, (-1, 2))], SIZE))


def test_the_threshold_of_the_call_counts(detector):
    assert detector.detect(context(conf_threshold=0.999), photo()) == []


def test_the_driver_sends_the_shapes_to_the_tasks_own_labels(detector, tmp_path):
    with recorded_server() as (url, sent):
        client = client_of(url, tmp_path)
        cvataa.annotate_task(client, 7, detector, allow_unmatched_labels=True)
    ((path, body),) = sent
    assert path.startswith("/api/tasks/7/annotations")
    (shape,) = body["shapes"]
    assert (shape["label_id"], shape["frame"], shape["source"], shape["type"]) == (31, 0, "auto", "mask")
    assert square(decode_mask(shape["points"], image_width=150, image_height=100))


def test_nonsense_of_the_server_is_an_error_and_no_hang(detector, tmp_path):
    with recorded_server(task={"id": "nonsense"}) as (url, sent):
        client = client_of(url, tmp_path)
        with pytest.raises(Exception, match=r"Invalid|missing|required|type"):
            cvataa.annotate_task(client, 7, detector, allow_unmatched_labels=True)
    assert sent == []


def test_only_the_classes_that_are_asked_for_are_labels(detector, tmp_path):
    model = str(save_tiny_model(tmp_path / "tiny.onnx"))
    wanted = cvat.create(model=model, classes="cat")
    assert [label.name for label in wanted.spec.labels] == ["cat"]
    with pytest.raises(InvalidValue, match=r"classes: need names that .* knows, got unicorn"):
        cvat.create(model=model, classes="unicorn")


def test_a_wrong_task_is_told():
    with pytest.raises(InvalidValue, match="task: need one of detection, interaction, tracking, got 'x'"):
        cvat.create(task="x")


def test_a_box_gives_the_object_in_it(tmp_path):
    interactor = cvat.create(task="interaction", model=str(save_tiny_model(tmp_path / "tiny.onnx")))
    prompts = SimpleNamespace(pos_points=[], neg_points=[], bounding_box=((35, 35), (85, 85)))
    (found,) = interactor.detect(SimpleNamespace(), photo(), prompts)
    assert square(decode_mask(found.points, image_width=150, image_height=100))


def test_without_a_point_or_a_box_nothing_is_meant(tmp_path):
    interactor = cvat.create(task="interaction", model=str(save_tiny_model(tmp_path / "tiny.onnx")))
    prompts = SimpleNamespace(pos_points=[], neg_points=[(1, 1)], bounding_box=None)
    assert interactor.detect(SimpleNamespace(), photo(), prompts) == []


@pytest.mark.parametrize("kind", ["mask", "polygon", "rectangle"])
def test_a_shape_is_followed_as_the_shape_that_it_is(kind):
    tracker = cvat.create(task="tracking")
    place = SimpleNamespace(original_shape_type=kind)
    first, second = scene(20), scene(26)
    shape = cvataa.TrackableShape(type=kind, points=points_of(kind, 20))
    state = tracker.init_tracking_state(place, tracker.preprocess_image(place, first), shape)
    followed = tracker.track(place, tracker.preprocess_image(place, second), state)
    assert followed.type == kind
    found = mask_of(followed, (120, 160))
    truth = disc(26)
    assert (found & truth).sum() / (found | truth).sum() > 0.5


def disc(x):
    rows, columns = np.mgrid[:120, :160]
    return (rows - 60) ** 2 + (columns - x - 30) ** 2 < 25**2


def scene(x):
    image = np.full((120, 160, 3), (40, 90, 40), np.uint8)
    image[disc(x)] = (220, 60, 50)
    return Image.fromarray(image)


def points_of(kind, x):
    if kind == "mask":
        return encode_mask(disc(x))
    if kind == "rectangle":
        return [x + 5, 35, x + 55, 85]
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    return np.stack([x + 30 + 25 * np.cos(angles), 60 + 25 * np.sin(angles)], 1).ravel().tolist()


def mask_of(shape, size):
    if shape.type == "mask":
        return decode_mask(shape.points, image_width=size[1], image_height=size[0])
    points = np.reshape(shape.points, (-1, 2))
    if shape.type == "rectangle":
        (x1, y1), (x2, y2) = points
        points = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)])
    return rings_to_mask([points], size)


def client_of(url, folder):
    """CVAT's own client, with a cache of its own."""
    client = Client(url, config=Config(cache_dir=folder / "cache"), check_server_version=False)
    client.logger.setLevel(logging.ERROR)
    return client


TASK = {
    "id": 7, "name": "street", "mode": "annotation", "dimension": "2d", "size": 1, "status": "annotation",
    "data_chunk_size": 72, "data_compressed_chunk_type": "imageset", "data_original_chunk_type": "imageset",
    "labels": {"url": "/api/labels?task_id=7"}, "jobs": {"url": "", "completed": 0, "validation": 0, "count": 0},
    "created_date": "2026-01-01T00:00:00Z", "updated_date": "2026-01-01T00:00:00Z", "data": 1, "bug_tracker": "",
    "organization": None, "organization_id": None,
}  # fmt: skip
LABELS = [{"id": 31, "name": "cat", "color": "#ff0000", "attributes": [], "type": "any", "sublabels": []}]
META = {
    "chunk_size": 72, "size": 1, "chunks_updated_date": "2026-01-01T00:00:00Z",
    "image_quality": 70, "start_frame": 0, "stop_frame": 0, "frame_filter": "",
    "frames": [{"width": 150, "height": 100, "name": "a.png", "related_files": 0}], "deleted_frames": [],
}  # fmt: skip


def chunk():
    """The one chunk of the task's data: a ZIP with the photo."""
    data = BytesIO()
    with ZipFile(data, "w") as archive:
        image = BytesIO()
        photo().save(image, format="PNG")
        archive.writestr("000000.png", image.getvalue())
    return data.getvalue()


@contextmanager
def recorded_server(task=None):
    """The address of a server with one task, and what was sent to be kept."""
    sent = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *words):
            pass

        def answer(self, body, kind="application/json"):
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_GET(self):
            if re.match(r"/api/tasks/7/data/meta", self.path):
                self.answer(META)
            elif re.match(r"/api/tasks/7/data", self.path):
                self.answer(chunk(), "application/zip")
            elif re.match(r"/api/tasks/7", self.path):
                self.answer(task or TASK)
            elif self.path.startswith("/api/labels"):
                self.answer({"count": 1, "next": None, "previous": None, "results": LABELS})
            else:
                self.answer({})

        def do_PATCH(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            sent.append((self.path, body))
            self.answer({"version": 1, "tags": [], "tracks": [], **body})

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", sent
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
