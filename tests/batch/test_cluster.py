"""How items and outcomes travel on a cluster. Ray itself runs in tests/benchmarks/test_reliability.py."""

from pathlib import Path

import pytest

from maskweave.batch.cluster import chunked
from maskweave.batch.executor import ExecutorConfig
from maskweave.batch.items import Item, Outcome
from maskweave.batch.parts import is_written, merged_parts, part_address, read_part, write_part
from maskweave.errors import EngineError, OutputError
from tests.batch.jobs import do, finished, inline, job_for, model_in, write_photos

pytest.importorskip("pyarrow", reason="needs the extra [ray]")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    folder = tmp_path_factory.mktemp("job")
    return job_for(write_photos(folder / "photos", 12, broken=[4]), folder / "out", model_in(folder))


def outcome(name, **options):
    return Outcome(name, "done", **options)


def test_parts_come_back_whole_and_are_gone_when_they_were_taken(tmp_path):
    made = [
        outcome("a", content="c", stamp="s", key="k", frames=1, objects=2, seconds=0.5, coco=b"\x00\xff"),
        outcome("b", outputs=("b.masks.png", "b.json"), warnings=("one", "two")),
        Outcome("c", "failed", error="c.png: broken", kind="UnreadableImage"),
    ]
    address = part_address(str(tmp_path), "run", 3)
    assert not is_written(address)
    write_part(address, made)
    assert is_written(address)
    assert read_part(address) == made
    write_part(part_address(str(tmp_path), "run", 12), [outcome("d")])
    assert [each.name for each in merged_parts(str(tmp_path))] == ["a", "b", "c", "d"]
    assert not list((tmp_path / ".maskweave" / "parts").iterdir())
    Path(address).write_bytes(b"other")
    with pytest.raises(OutputError, match="need outcomes of a batch"):
        read_part(address)


def test_videos_are_chunks_of_their_own_and_few_items_reach_all_workers():
    items = [
        Item(number, str(number), f"{number}.{'mp4' if number % 10 == 0 else 'jpg'}")
        for number in range(1000)
    ]
    chunks = list(chunked(items, 4))
    assert sorted(item.position for chunk in chunks for item in chunk) == list(range(1000))
    assert all(len(chunk) == 1 for chunk in chunks if chunk[0].path.endswith("mp4"))
    assert max(map(len, chunks)) == 16
    assert max(map(len, chunked(items[1:10], 4))) == 1


def test_a_part_that_the_driver_did_not_see_is_not_done_again(job, tmp_path, monkeypatch):
    job = job.changed(output=str(tmp_path / "out"))

    def one(job, items, how):
        for number, came in enumerate(inline(job, items, how)):
            write_part(part_address(job.output, "lost", number), [came])
            if number == 2:
                raise KeyboardInterrupt

    monkeypatch.setattr("maskweave.batch.run.run_local", one)
    with pytest.raises(KeyboardInterrupt):
        do(job)
    monkeypatch.setattr("maskweave.batch.run.run_local", inline)
    seen, summary = finished(job)
    assert seen == ["10", "11", "3", "4", "5", "6", "7", "8", "9"]
    assert summary.counts.done == 11


@pytest.mark.parametrize("kind", [ConnectionError, Exception])
def test_a_cluster_that_is_not_there_is_told(monkeypatch, kind):
    ray = pytest.importorskip("ray", reason="needs the extra [ray]")
    from maskweave.batch.cluster import connect

    def refuse(**options):
        assert options["address"] == "10.0.0.1:6379"
        raise kind("could not connect")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(EngineError, match=r"cannot reach 10\.0\.0\.1:6379 \(could not connect\)"):
        connect(ray, ExecutorConfig(executor="ray", address="10.0.0.1:6379"))
