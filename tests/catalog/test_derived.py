"""Files made of downloaded ones: made once, made again when they must be, told by verify."""

import pytest

from maskweave.catalog import cache, derived
from maskweave.catalog.derived import derived_model


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path))
    path = tmp_path / "models" / "classic" / "graph.pb"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"weights")
    return path


class Maker:
    """Counts how often it is asked."""

    def __init__(self):
        self.calls = 0

    def __call__(self, path):
        self.calls += 1
        return b"made of " + path.read_bytes()


def test_made_once_and_kept(source):
    make = Maker()
    path = derived_model(source, version=1, make=make)
    assert path.read_bytes() == b"made of weights"
    assert path.parent == source.parent
    assert derived_model(source, version=1, make=make) == path
    assert make.calls == 1


def test_another_source_or_version_makes_another_file_and_the_old_one_goes(source):
    make = Maker()
    first = derived_model(source, version=1, make=make)
    second = derived_model(source, version=2, make=make)
    source.write_bytes(b"other")
    third = derived_model(source, version=2, make=make)
    assert len({first, second, third}) == make.calls == 3
    assert sorted(source.parent.glob("*.onnx")) == [third]
    assert third.read_bytes() == b"made of other"


def test_a_changed_file_is_made_again_and_told(source):
    make = Maker()
    path = derived_model(source, version=1, make=make)
    states = {report.path: report.state for report in cache.verify()}
    assert (states[path], states[source]) == ("ok", "unknown")
    path.write_bytes(b"damaged!")
    states = {report.path: report.state for report in cache.verify()}
    assert states[path] == "damaged"
    assert derived_model(source, version=1, make=make).read_bytes() == b"made of weights"


def test_what_fails_leaves_nothing(source):
    def fails(path):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        derived_model(source, version=1, make=fails)
    assert list(source.parent.iterdir()) == [source]


def test_a_cache_that_cannot_be_written(source, monkeypatch):
    def full(path):
        raise cache.ModelNotDownloaded("no room")

    monkeypatch.setattr(derived.cache, "replacing", full)
    with pytest.warns(UserWarning, match="cannot be kept and will be made again each time: no room"):
        assert derived_model(source, version=1, make=Maker()) == b"made of weights"
