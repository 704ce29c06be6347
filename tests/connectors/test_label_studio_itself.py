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
from maskweave.connectors.label_studio import Backend, Fetcher
from maskweave.ops.brush_rle import decode_brush
from tests.annotations.scenes import read
from tests.connectors.test_label_studio import CONFIG, is_square, photo, served
from tests.models.tiny import save_tiny_model

PROGRAM = os.environ.get("MASKWEAVE_LABEL_STUDIO") or shutil.which("label-studio")
TOKEN = "0123456789abcdef0123456789abcdef01234567"

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="needs Label Studio: pip install label-studio")


@pytest.fixture
def label_studio(tmp_path):
    """The address of a Label Studio of its own."""
    with running(tmp_path) as url:
        yield url


@contextmanager
def running(folder):
    port = free_port()
    settings = {
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


def upload(url, project):
    """Import the photo into a project."""
    edge = "----a-line-between"
    head = (
        f'--{edge}\r\nContent-Disposition: form-data; name="file"; filename="square.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    data = head.encode() + photo() + f"\r\n--{edge}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={edge}"}
    return ask(url, f"/api/projects/{project}/import", data=data, headers=kind)


def test_an_imported_image_gets_predictions_that_are_read_back(label_studio, tmp_path):
    project = ask(label_studio, "/api/projects", {"title": "street", "label_config": CONFIG})["id"]
    upload(label_studio, project)
    with (
        mw.load(save_tiny_model(tmp_path / "tiny.onnx")) as segmenter,
        served(Backend(segmenter, Fetcher(label_studio, TOKEN))) as backend,
    ):
        model = ask(label_studio, "/api/ml", {"project": project, "url": backend, "title": "MaskWeave"})
        (task,) = ask(label_studio, f"/api/projects/{project}/tasks?page_size=10")
        ask(label_studio, f"/api/dm/actions?id=retrieve_tasks_predictions&project={project}", {
            "selectedItems": {"all": True, "excluded": []}, "project": str(project),
        })  # fmt: skip
        clicked = ask(label_studio, f"/api/ml/{model['id']}/interactive-annotating", {
            "task": task["id"], "context": {"result": [{
                "type": "keypointlabels", "original_width": 150, "original_height": 100, "is_positive": 1,
                "value": {"x": 40, "y": 60, "width": 1, "keypointlabels": ["Pet"]},
            }]},
        })  # fmt: skip
    (prediction,) = ask(label_studio, f"/api/predictions?task={task['id']}")
    (region,) = prediction["result"]
    assert (region["value"]["brushlabels"], prediction["model_version"]) == (["Pet"], "MaskWeave tiny")
    assert is_square(decode_brush(region["value"]["rle"], (100, 150)))
    assert is_square(decode_brush(clicked["data"]["result"][0]["value"]["rle"], (100, 150)))
    exported = ask(label_studio, f"/api/tasks/{task['id']}")
    (tmp_path / "export.json").write_text(json.dumps([{**exported, "annotations": []}]))
    (record,) = read(tmp_path / "export.json", "label-studio")
    assert is_square(np.asarray(record.instances.masks)[0])
