"""The engine for one machine: worker processes, their losses, and that their number changes no byte."""

import json
import os
import signal
import subprocess
import sys

import pytest

from maskweave.batch.executor import ExecutorConfig
from maskweave.errors import InvalidValue, ModelError
from tests.batch.jobs import do, finished, inline, job_for, outputs, write_photos

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


@pytest.fixture(scope="module")
def job(tmp_path_factory, model):
    folder = tmp_path_factory.mktemp("job")
    save = ("coco", "masks", "overlay")
    return job_for(write_photos(folder / "photos", 7, broken=[4]), folder / "out", model, save=save)


@pytest.mark.parametrize("workers", [1, 3])
def test_workers_give_what_one_process_gives(job, tmp_path, monkeypatch, workers):
    monkeypatch.setattr("maskweave.batch.run.run_local", inline)
    do(job.changed(output=str(tmp_path / "plain")))
    monkeypatch.undo()
    names, summary = finished(job.changed(output=str(tmp_path / "out")), ExecutorConfig(workers=workers))
    assert (len(names), summary.counts.failed) == (7, 1)
    assert outputs(tmp_path / "out") == outputs(tmp_path / "plain")


def test_a_lost_worker_costs_one_item_with_its_reason(job, tmp_path, monkeypatch):
    monkeypatch.setattr("maskweave.batch.local.make_worker", _Saboteur)
    outcomes = {}
    output = str(tmp_path / "out")
    how = ExecutorConfig(workers=2, memory=300_000_000, deadline=3.0)
    do(job.changed(output=output), how, lambda outcome, counts: outcomes.update({outcome.name: outcome}))
    assert {name: outcome.kind for name, outcome in outcomes.items() if outcome.state == "failed"} == {
        "0": "ChildCrashed",
        "1": "DeadlinePassed",
        **({"2": "OutOfMemory"} if sys.platform == "linux" else {}),
        "4": "UnreadableImage",
        "5": "InternalError",
    }
    assert "0.png" in outcomes["0"].error
    assert "SIGSEGV" in outcomes["0"].error
    assert finished(job.changed(output=output))[0] == []  # failed they stay


def _Saboteur(job):
    """A worker that does to some items what a broken decoder would do."""
    from maskweave.batch.work import make_worker
    from tests.isolated import work as sabotage

    work = make_worker(job)
    evil = {
        "0": ("crash", "SIGSEGV"),
        "1": ("hang",),
        "2": ("take", 2_000_000_000),
        "5": ("fail unportably",),
    }

    def do(item, beat):
        if item.name in evil:
            sabotage(evil[item.name], beat)
        return work(item, beat)

    return do


def test_a_model_that_workers_cannot_load_stops_the_job(job, tmp_path):
    with pytest.raises(ModelError):
        do(job.changed(output=str(tmp_path / "out"), model=str(tmp_path / "none.onnx")))


def test_wrong_calls():
    with pytest.raises(InvalidValue, match="--workers"):
        ExecutorConfig(workers=0)
    with pytest.raises(InvalidValue, match="--deadline"):
        ExecutorConfig(deadline=float("nan"))
    with pytest.raises(InvalidValue, match="--address"):
        ExecutorConfig(address="auto")
    with pytest.raises(InvalidValue, match="--executor"):
        ExecutorConfig(executor="slurm")


def command(*words):
    return [sys.executable, "-m", "maskweave", "batch", *map(str, words)]


def test_the_command_tells_failures_a_status_and_what_to_retry(job, tmp_path):
    out = tmp_path / "out"
    words = (job.inputs[0], "-o", out, "-m", job.request.model.model, "--save", "coco", "--workers", "1")
    ran = subprocess.run(command(*words, "--json"), capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    lines = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [line["ok"] for line in lines] == [True] * 4 + [False] + [True] * 2
    assert "4.png" in lines[4]["error"]
    assert "batch: 7 inputs: 6 done, 1 failed" in ran.stderr
    status = subprocess.run(command("--status", out, "--json"), capture_output=True, text=True, check=True)
    told = json.loads(status.stdout)
    assert (told["inputs"], told["done"], told["reasons"]) == (7, 6, {"UnreadableImage": 1})
    again = subprocess.run(command("--retry-failed", out), capture_output=True, text=True, check=False)
    assert again.returncode == 1
    assert "7 inputs (1 of them now): 6 done, 1 failed" in again.stderr
    assert subprocess.run(command(), capture_output=True, check=False).returncode == 2


@posix
@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 130), (signal.SIGKILL, -9)]
)
def test_a_stopped_command_leaves_whole_files_and_goes_on(job, tmp_path, number, code):
    photos = write_photos(tmp_path / "photos", 80)
    words = (
        photos,
        "-o",
        tmp_path / "out",
        "-m",
        job.request.model.model,
        "--save",
        "coco,masks",
        "--workers",
        "2",
    )
    process = subprocess.Popen(command(*words), stderr=subprocess.PIPE)
    while len(list((tmp_path / "out").glob("[0-9]*"))) < 3 and process.poll() is None:
        pass
    process.send_signal(number)
    told = process.communicate(timeout=60)[1].decode()
    assert process.returncode == code, told
    assert "Traceback" not in told
    left = list((tmp_path / "out").glob("*"))
    assert "coco.json" not in [path.name for path in left]
    if number != signal.SIGKILL:
        assert "interrupted; finished outputs stay" in told
        assert [path.name for path in (tmp_path / "out").glob(".*")] == [".maskweave"]
    names, summary = finished(
        job_for(photos, tmp_path / "out", job.request.model.model), ExecutorConfig(workers=1)
    )
    assert 0 < len(names) < 80
    assert summary.counts.done == 80
    do(job_for(photos, tmp_path / "whole", job.request.model.model), ExecutorConfig(workers=1))
    assert outputs(tmp_path / "out") == outputs(tmp_path / "whole")
