"""The record of a job holds names of any bytes, on any file system."""

import sqlite3

import hypothesis
import hypothesis.strategies as st
import pytest

from maskweave.batch import manifest as manifest_module
from maskweave.batch.items import Item, Outcome
from maskweave.batch.manifest import Manifest
from maskweave.batch.stored_text import original_text, stored_text

ODD = "in/caf\udce9 100%.jpg"
"""A name in Latin-1, as the file system gives it."""


@hypothesis.given(st.binary().map(lambda data: data.decode(errors="surrogateescape")))
@hypothesis.example("\x1b50%")
def test_every_name_comes_back(name):
    assert original_text(stored_text(name)) == name
    stored_text(name).encode()


@pytest.mark.parametrize("name", ["photo.jpg", "größe/写真.png", "100% a.jpg"])
def test_plain_names_are_stored_as_they_are(name):
    assert stored_text(name) == name


def test_a_name_that_is_no_utf8_is_recorded_like_any_other(tmp_path):
    item = Item(0, "caf\udce9", ODD)
    outcome = Outcome("caf\udce9", "failed", error=f"{ODD}: damaged", outputs=(ODD,), warnings=(ODD,))
    with Manifest(tmp_path / "a.sqlite") as manifest:
        with manifest.planning("{}"):
            manifest.add(item)
        assert list(manifest.todo()) == [item]
        manifest.record(outcome)
        assert list(manifest.outcomes()) == [(item, outcome)]
        assert manifest.known(item.name).path == ODD


class WithoutSharedMemory(sqlite3.Connection):
    """A database on a share: a write-ahead log cannot be begun."""

    def execute(self, query, *values):
        if "WAL" in query:
            raise sqlite3.OperationalError("disk I/O error")
        return super().execute(query, *values)


def test_a_share_without_shared_memory_is_recorded_with_a_rollback_journal(tmp_path, monkeypatch):
    def connect(path, **options):
        return connection(path, factory=WithoutSharedMemory, **options)

    connection = sqlite3.connect
    monkeypatch.setattr(manifest_module.sqlite3, "connect", connect)
    with Manifest(tmp_path / "a.sqlite") as manifest, manifest.planning("{}"):
        manifest.add(Item(0, "a", "a.jpg"))
    with Manifest(tmp_path / "a.sqlite") as manifest:
        assert manifest.counts().todo == 1
        assert manifest._base.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_a_record_begun_with_a_log_goes_on_where_there_can_be_none(tmp_path, monkeypatch):
    with Manifest(tmp_path / "a.sqlite") as manifest, manifest.planning("{}"):
        manifest.add(Item(0, "a", "a.jpg"))
    test_a_share_without_shared_memory_is_recorded_with_a_rollback_journal(tmp_path, monkeypatch)
