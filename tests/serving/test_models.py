"""Models are fetched and removed while the server runs, where it was not told to keep them as they are."""

import dataclasses
import hashlib

import httpx
import pytest

from maskweave.catalog import entries
from maskweave.catalog.entries import find
from maskweave.catalog.entry import Checksum, ModelFile
from tests.serving.conftest import running_server, wait_until

WEIGHTS = bytes(range(256)) * 50
NAME = "small"


@pytest.fixture
def file(tmp_path):
    """What the catalog names, in a folder of this machine."""
    published = tmp_path / "published.onnx"
    published.write_bytes(WEIGHTS)
    checksum = Checksum("sha256", hashlib.sha256(WEIGHTS).hexdigest())
    return ModelFile("small.onnx", checksum, urls=(published.as_uri(),), size=len(WEIGHTS))


@pytest.fixture
def started(tmp_path, file, monkeypatch):
    """Starts a server whose catalog has one more model."""
    entry = dataclasses.replace(find("efficient-sam-ti"), name=NAME, aliases=(), files=(file,))
    monkeypatch.setattr(entries, "PACKAGED", (*entries.PACKAGED, entry))
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MASKWEAVE_OFFLINE", raising=False)
    return running_server


def row(server, name=NAME):
    return next(each for each in httpx.get(f"{server.url}/v1/models").json() if each["name"] == name)


def ask(server, method, name=NAME, **options):
    return httpx.request(method, f"{server.url}/v1/models/{name}", **options)


def test_a_model_is_fetched_used_and_removed(started):
    with started() as server:
        told = row(server)
        assert told["license"]
        assert (told["bytes"], told["here"], told["how"]) == (len(WEIGHTS), False, "")
        assert ask(server, "POST").status_code == 202
        wait_until(lambda: row(server)["here"])
        assert (row(server)["fetching"], row(server)["removable"]) == (None, True)
        assert ask(server, "POST").status_code == 409
        assert ask(server, "DELETE").status_code == 204
        assert row(server)["here"] is False
        assert ask(server, "DELETE").status_code == 404


def test_what_comes_and_is_not_what_was_published_is_refused_and_said(started, tmp_path):
    with started() as server:
        (tmp_path / "published.onnx").write_bytes(WEIGHTS + b"more")
        assert ask(server, "POST").status_code == 202
        wait_until(lambda: (row(server)["fetching"] or {}).get("error"))
        assert "not what was published" in row(server)["fetching"]["error"]
        assert row(server)["here"] is False
        assert ask(server, "POST").status_code == 202  # it may be tried again


def test_what_the_server_needs_stays_and_what_nobody_knows_is_said(started):
    with started() as server:
        built_in = row(server, server.service.model)
        assert (built_in["here"], built_in["removable"], built_in["bytes"]) == (True, False, None)
        assert ask(server, "DELETE", server.service.model).status_code == 409
        assert ask(server, "POST", "nothing").status_code == 404


def test_a_server_can_be_told_to_keep_its_models(started):
    with started(change_models=False) as server:
        assert row(server)["how"] == f"maskweave models pull {NAME}"
        for method in ("POST", "DELETE"):
            assert ask(server, method).status_code == 403


def test_without_a_network_nothing_is_fetched(started, monkeypatch):
    monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    with started() as server:
        assert row(server)["how"]
        assert ask(server, "POST").status_code == 403


def test_models_are_changed_with_the_token_only(started):
    with started(token="a token of some length") as server:
        assert ask(server, "POST").status_code == 401
        assert (
            ask(server, "DELETE", headers={"Authorization": "Bearer a token of some length"}).status_code
            == 404
        )
