"""Label Studio itself, from its package, started with SQLite: an image in, predictions out, over HTTP.

Found as ``label-studio`` on PATH, or where MASKWEAVE_LABEL_STUDIO says; it may have an environment of its own.
"""

import json
import os
import shutil
import subprocess
import urllib.error
import urllib.request
from contextlib import contextmanager

import numpy as np
import pytest

import maskweave as mw
from maskweave.annotations.record import Record
from maskweave.connectors.label_studio import Backend, Fetcher
from maskweave.ops.brush_rle import decode_brush
from tests.annotations.scenes import read, write
from tests.connectors.test_label_studio import CONFIG, is_square, photo, served
from tests.models.tiny import save_tiny_model

PROGRAM = os.environ.get("MASKWEAVE_LABEL_STUDIO") or shutil.which("label-studio")
TOKEN = "0123456789abcdef0123456789abcdef01234567"

pytestmark = [
    pytest.mark.skipif(PROGRAM is None, reason="needs Label Studio: pip install label-studio"),
    pytest.mark.timeout(1200),  # it makes its database first
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """What Label Studio serves files of; it wants them in a folder below."""
    folder = tmp_path_factory.mktemp("root")
    (folder / "photos").mkdir()
    (folder / "photos" / "a square.png").write_bytes(photo())
    return folder


@pytest.fixture(scope="module")
def label_studio(tmp_path_factory, root):
    """The address of a Label Studio of its own."""
    with running(tmp_path_factory.mktemp("label-studio"), root) as url:
        yield url


@pytest.fixture(scope="module")
def backend(label_studio, tmp_path_factory):
    """The address of our backend."""
    with (
        mw.load(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx")) as segmenter,
        served(Backend(segmenter, Fetcher(label_studio, TOKEN))) as url,
    ):
        yield url


@contextmanager
def running(folder, root):
    port = free_port()
    settings = {
        "USE_DEFAULT_BANNED_SUBNETS": "false",  # as docs/labeling-tools.md has it: else no backend of this machine
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED": "true",
        "LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT": str(root),
        "LABEL_STUDIO_BASE_DATA_DIR": str(folder / "data"),
        "LABEL_STUDIO_DISABLE_SIGNUP_WITHOUT_LINK": "true",
        "LABEL_STUDIO_ENABLE_LEGACY_API_TOKEN": "true",
        "LATEST_VERSION_CHECK": "false",
        "COLLECT_ANALYTICS": "false",
        "SENTRY_DSN": "",
        "FRONTEND_SENTRY_DSN": "",
        "ML_TIMEOUT_SETUP": "120",
        "ML_TIMEOUT_HEALTH": "60",
        "ML_CONNECTION_TIMEOUT": "60",
    }
    command = [
        PROGRAM, "start", "--no-browser", "--port", str(port), "--username", "me@example.com", "--password", "secret",
        "--user-token", TOKEN,
    ]  # fmt: skip
    log = (folder / "label-studio.log").open("w+")
    with subprocess.Popen(
        command, cwd=folder, env={**os.environ, **settings}, stdout=log, stderr=subprocess.STDOUT
    ) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(f"{url}/health", process, log)
            yield url
        finally:
            process.terminate()
            process.wait()
            log.close()


def free_port():
    import socket

    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        return listening.getsockname()[1]


def wait_for(address, process, log):
    """Ask again and again until the server answers; fails with its log when it ends."""
    while process.poll() is None:
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except OSError:
            with_pause(process)
    log.seek(0)
    pytest.fail(f"Label Studio ended:\n{log.read()[-3000:]}")


def with_pause(process):
    """Wait a moment, or until the process ends."""
    try:
        process.wait(timeout=0.5)
    except subprocess.TimeoutExpired:
        return


def ask(url, path, body=None, *, data=None, headers=None):
    payload = json.dumps(body).encode() if body is not None else data
    kind = {"Content-Type": "application/json"} if body is not None else {}
    request = urllib.request.Request(
        f"{url}{path}", data=payload, headers={"Authorization": f"Token {TOKEN}", **kind, **(headers or {})}
    )
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            pytest.fail(f"{path}: {error.code} {error.read()[:2000]!r}")


def upload(url, project, name="square.png", content=None, kind="image/png"):
    """Import a file into a project: the photo, or another."""
    edge = "----a-line-between"
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
        f"Content-Type: {kind}\r\n\r\n"
    )
    data = head.encode() + (content or photo()) + f"\r\n--{edge}--\r\n".encode()
    form = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    return ask(url, f"/api/projects/{project}/import", data=data, headers=form)


def project_of(url, config):
    return ask(url, "/api/projects", {"title": "street", "label_config": config})["id"]


def connect(url, project, backend):
    model = ask(url, "/api/ml", {
        "project": project, "url": backend, "title": "MaskWeave", "is_interactive": True,
    })  # fmt: skip
    assert model["readable_state"] == "Connected"
    return model


def tasks_of(url, project):
    return ask(url, f"/api/projects/{project}/tasks?page_size=10")


def predict(url, project, task):
    """Have the backend asked; returns its prediction."""
    ask(url, f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", {
        "selectedItems": {"all": True, "excluded": []}, "project": str(project),
    })  # fmt: skip
    return ask(url, f"/api/predictions?task={task['id']}")[-1]


def test_an_imported_image_gets_predictions_that_are_read_back(label_studio, backend, tmp_path):
    project = project_of(label_studio, CONFIG)
    upload(label_studio, project)
    connect(label_studio, project, backend)
    (task,) = tasks_of(label_studio, project)
    prediction = predict(label_studio, project, task)
    (region,) = prediction["result"]
    assert (region["value"]["brushlabels"], prediction["model_version"]) == (["Pet"], "MaskWeave tiny")
    assert is_square(decode_brush(region["value"]["rle"], (100, 150)))
    exported = ask(label_studio, f"/api/tasks/{task['id']}")
    (tmp_path / "export.json").write_text(json.dumps([{**exported, "annotations": []}]))
    (record,) = read(tmp_path / "export.json", "label-studio")
    assert is_square(np.asarray(record.instances.masks)[0])


@pytest.mark.parametrize(
    "mark",
    [
        {"type": "keypointlabels", "is_positive": 1, "value": {"x": 40, "y": 60, "width": 1}},
        {"type": "rectanglelabels", "value": {"x": 25, "y": 38, "width": 30, "height": 44, "rotation": 0}},
    ],
    ids=["click", "box"],
)
def test_a_click_and_a_box_are_answered(mark, label_studio, backend):
    project = project_of(label_studio, CONFIG)
    upload(label_studio, project)
    model = connect(label_studio, project, backend)
    (task,) = tasks_of(label_studio, project)
    mark = {**mark, "original_width": 150, "original_height": 100}
    mark["value"][mark["type"]] = ["Pet"]
    answer = ask(label_studio, f"/api/ml/{model['id']}/interactive-annotating", {
        "task": task["id"], "context": {"result": [mark]},
    })  # fmt: skip
    assert is_square(decode_brush(answer["data"]["result"][0]["value"]["rle"], (100, 150)))


def test_what_people_accept_is_exported_and_converted(label_studio, backend, tmp_path):
    project = project_of(label_studio, CONFIG.replace("BrushLabels", "PolygonLabels"))
    upload(label_studio, project)
    connect(label_studio, project, backend)
    (task,) = tasks_of(label_studio, project)
    result = predict(label_studio, project, task)["result"]
    assert [region["type"] for region in result] == ["polygonlabels"]
    ask(label_studio, f"/api/tasks/{task['id']}/annotations/", {"result": result})
    export = ask(label_studio, f"/api/projects/{project}/export?exportType=JSON")
    (tmp_path / "export.json").write_text(json.dumps(export))
    (record,) = read(tmp_path / "export.json", "label-studio")
    assert record.instances.names == ("Pet",)
    assert is_square(np.asarray(record.instances.masks)[0])


def test_tasks_that_we_write_show_their_images_from_local_storage(label_studio, backend, root, tmp_path):
    with mw.load(save_tiny_model(tmp_path / "tiny.onnx")) as segmenter:
        result = segmenter(root / "photos" / "a square.png")
    record = Record("a square.png", result.instances, image=root / "photos" / "a square.png")
    write(tmp_path / "tasks.json", "label-studio", [record])
    names = "".join(f'<Label value="{name}"/>' for name in result.instances.class_names)
    project = project_of(
        label_studio, CONFIG.replace('name="brush"', 'name="label"').replace("</Brush", f"{names}</Brush")
    )
    ask(label_studio, "/api/storages/localfiles", {
        "project": project, "path": str(root / "photos"), "use_blob_urls": True,
    })  # fmt: skip
    upload(label_studio, project, "tasks.json", (tmp_path / "tasks.json").read_bytes(), "application/json")
    (task,) = tasks_of(label_studio, project)
    assert task["total_predictions"] == 1
    assert Fetcher(label_studio, TOKEN)(task["data"]["image"]) == photo()
    connect(label_studio, project, backend)
    assert len(predict(label_studio, project, task)["result"]) == 1
