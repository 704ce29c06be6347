"""What tests of jobs share: a model file, and workers in the process of the test."""

import pytest

from maskweave.batch import run as running
from tests.batch.jobs import inline, model_in


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return model_in(tmp_path_factory.mktemp("model"))


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(running, "run_local", inline)
