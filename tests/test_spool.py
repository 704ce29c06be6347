"""What is kept for the end of a file is kept on the disk."""

import gc
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskweave import spool
from maskweave.spool import Spool
from maskweave.types.result import FrameResult
from tests.outputs.scenes import frame, squares, target, writer_of


@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=50))), st.sampled_from([1, 40, 10_000]))
def test_records_come_back_by_key_in_order(records, in_memory):
    with pytest.MonkeyPatch.context() as patch, Spool() as kept:
        patch.setattr(spool, "_IN_MEMORY", in_memory)
        for key, record in records:
            kept.add(key, record)
        assert list(kept) == list(dict.fromkeys(key for key, _ in records))
        for key in range(4):
            found = [kept.read(place) for place in kept.places(key)]
            assert found == [record for each, record in records if each == key]


def test_only_much_goes_to_the_disk_and_nothing_stays_there(tmp_path):
    with Spool(tmp_path) as kept:
        kept.add("a", b"x" * 100)
        assert kept.read(kept.places("a")[0]) == b"x" * 100
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["coco", "tracks", "mots", "csv"])
def test_files_of_long_videos_do_not_fill_the_memory(name, tmp_path, monkeypatch):
    monkeypatch.setattr(spool, "_IN_MEMORY", 1000)
    result = squares((5, 5), (30, 30), ids=[1, 2])

    def write(frames):
        for index in frames:
            writer.write(FrameResult(frame(index), result))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    with writer_of(name, target(tmp_path)) as writer:
        tracemalloc.start()
        try:
            before = write(range(100))
            grown = write(range(100, 500)) - before
        finally:
            tracemalloc.stop()
    assert grown < 40_000  # bytes; the buffers of an open file grow up to twenty thousand, once
