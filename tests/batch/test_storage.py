"""Inputs and outputs elsewhere: in memory, and in an S3 server on this machine."""

import secrets
from dataclasses import replace

import pytest

from maskweave.batch import storage
from maskweave.batch.folder import record_path
from maskweave.batch.run import stored_job
from maskweave.batch.storage import (
    content_of,
    exists,
    files_in,
    find_remote,
    is_remote,
    local_copy,
    output_folder,
    read_bytes,
    remove,
    stamp_of,
    write_bytes,
)
from maskweave.errors import InvalidValue, MissingDependency, OutputError, SourceNotFound, UnreadableImage
from tests.batch.jobs import do, finished, inline, job_for, outputs, write_photos

fsspec = pytest.importorskip("fsspec", reason="needs the extra [remote]")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A new address in memory; workers are in this process, and the record is in a folder of the test."""
    monkeypatch.setattr("maskweave.batch.run.run_local", inline)
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "cache"))
    return f"memory://{secrets.token_hex(8)}"


def test_an_empty_folder_of_a_store_is_a_failed_input(place, model, tmp_path):
    _, summary = finished(job_for(f"{place}/", str(tmp_path / "out"), model))
    assert summary.counts.failed == 1


@pytest.mark.parametrize("where", ["memory", "here"])
def test_files_come_back_by_their_address(place, tmp_path, where):
    folder = place if where == "memory" else str(tmp_path)
    address = f"{folder}/deep/er/a.bin"
    assert is_remote(address) == (where == "memory")
    assert not exists(address)
    assert files_in(f"{folder}/deep/er", ".bin") == []
    write_bytes(address, b"one")
    before = stamp_of(address)
    assert (read_bytes(address), exists(address), files_in(f"{folder}/deep/er", ".bin")) == (
        b"one",
        True,
        [address],
    )
    with local_copy(address) as copy:
        assert copy.name == "a.bin"
        assert content_of(copy) == "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"
    write_bytes(address, b"three")
    assert stamp_of(address) != before
    remove(address)
    remove(address)
    assert stamp_of(address) == ""
    with pytest.raises(SourceNotFound):
        read_bytes(address)


def test_what_is_in_the_folder_is_sent_when_the_block_ends_and_nothing_when_it_fails(place):
    with pytest.raises(ZeroDivisionError), output_folder(place) as folder:
        _ = (folder / "half.png").write_bytes(b"half") / 0
    assert not exists(f"{place}/half.png")
    with output_folder(place) as folder:
        (folder / "sub").mkdir()
        (folder / "sub" / "whole.png").write_bytes(b"whole")
    assert read_bytes(f"{place}/sub/whole.png") == b"whole"


def test_images_are_found_in_natural_order_and_others_are_not(place):
    for name in ("b10.jpg", "b9.jpg", "notes.txt", ".hidden.jpg", "deep/a.png", "video.mp4"):
        write_bytes(f"{place}/in/{name}", b"1")
    for name in ("c.photo", "DSC0001", "song.ogg"):
        write_bytes(f"{place}/in/{name}", b"OggS" if name == "song.ogg" else b"\x89PNG\r\n\x1a\n")
    names = ["b9.jpg", "b10.jpg", "c.photo", "DSC0001", "video.mp4"]
    found = find_remote(f"{place}/in", recursive=False)
    assert sorted(found.paths, key=str.lower) == sorted(
        (f"{place}/in/{name}" for name in names), key=str.lower
    )
    assert found.paths.index(f"{place}/in/b9.jpg") < found.paths.index(f"{place}/in/b10.jpg")
    assert found.below == f"{place}/in/"
    assert found.others == [f"{place}/in/notes.txt", f"{place}/in/song.ogg"]
    assert f"{place}/in/deep/a.png" in find_remote(f"{place}/in", recursive=True).paths
    assert find_remote(f"{place}/in/*.jpg", recursive=False).paths == [
        f"{place}/in/b9.jpg",
        f"{place}/in/b10.jpg",
    ]
    assert find_remote(f"{place}/in/b9.jpg", recursive=False) == ([f"{place}/in/b9.jpg"], "", [])
    with pytest.raises(SourceNotFound, match="need images or videos"):
        find_remote(f"{place}/nowhere", recursive=False)


def send_photos(folder, place):
    for path in sorted(folder.iterdir()):
        write_bytes(f"{place}/{path.name}", path.read_bytes())


def test_a_job_between_addresses_gives_the_files_of_one_between_folders(place, tmp_path, model):
    photos = write_photos(tmp_path / "photos", 4, broken=[2])
    send_photos(photos, f"{place}/in")
    do(job_for(photos, tmp_path / "out", model))
    job = job_for(f"{place}/in", f"{place}/out", model)
    names, summary = finished(job)
    assert (names, summary.counts.failed, summary.coco) == (["0", "1", "2", "3"], 1, f"{place}/out/coco.json")
    files = fsspec.filesystem("memory")
    root = f"{place.removeprefix('memory:/')}/out/"
    there = {name.removeprefix(root): files.cat_file(name) for name in files.find(root)}
    assert there.pop(".maskweave/manifest.sqlite").startswith(b"SQLite format 3")
    assert there == outputs(tmp_path / "out")
    assert finished(job)[0] == []
    write_bytes(f"{place}/in/1.png", (photos / "3.png").read_bytes())
    assert finished(job)[0] == ["1"]


def test_another_machine_goes_on_with_the_record_that_was_sent(place, tmp_path, model, monkeypatch):
    send_photos(write_photos(tmp_path / "photos", 2), f"{place}/in")
    job = job_for(f"{place}/in", f"{place}/out", model)
    do(job)
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "another"))
    assert not record_path(job.output).exists()
    assert stored_job(job.output) == job
    assert finished(job)[0] == []
    with pytest.raises(InvalidValue, match="need the output folder of a batch"):
        stored_job(f"{place}/nowhere")


def test_inputs_from_both_kinds_of_places_have_names_of_their_own(place, tmp_path, model):
    photos = write_photos(tmp_path / "photos", 1)
    send_photos(photos, f"{place}/in")
    job = replace(
        job_for(photos, tmp_path / "out", model), inputs=(str(photos), f"{place}/in", f"{place}/gone")
    )
    names, summary = finished(job)
    assert (names, summary.counts.done, summary.counts.failed) == (["0_png", "0_png-2"], 2, 1)


def test_a_store_that_cannot_be_written_stops_the_job(place, tmp_path, model, monkeypatch):
    def refuse(self, *args, **options):
        raise PermissionError("AccessDenied")

    job = job_for(write_photos(tmp_path / "photos", 2), f"{place}/out", model)
    monkeypatch.setattr(type(fsspec.filesystem("memory")), "put_file", refuse)
    with pytest.raises(OutputError, match="AccessDenied"):
        do(job)


def test_errors_of_stores_are_told(place, monkeypatch):
    with pytest.raises(MissingDependency, match="cannot be reached"):
        stamp_of("nothing://a/b.jpg")

    def broken(self, *args, **options):
        raise RuntimeError("503 slow down")

    monkeypatch.setattr(type(fsspec.filesystem("memory")), "cat_file", broken)
    with pytest.raises(UnreadableImage, match="503 slow down"):
        storage.read_bytes(f"{place}/a.jpg")


def test_s3(tmp_path, model, monkeypatch):
    """Workers in processes of their own, images and results in buckets."""
    pytest.importorskip("s3fs", reason="needs the extra [remote]")
    moto = pytest.importorskip("moto.server", reason="needs moto[server]")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "one",
        "AWS_SECRET_ACCESS_KEY": "two",
        "AWS_DEFAULT_REGION": "us-east-1",
        "MASKWEAVE_CACHE": str(tmp_path / "cache"),
    }.items():
        monkeypatch.setenv(name, value)
    try:
        fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
        photos = write_photos(tmp_path / "photos", 3, broken=[1])
        send_photos(photos, "s3://bucket/in")
        job = job_for("s3://bucket/in", "s3://bucket/out", model)
        assert do(job).counts.failed == 1
        do(job_for(photos, tmp_path / "out", model))
        for name, content in outputs(tmp_path / "out").items():
            assert read_bytes(f"s3://bucket/out/{name}") == content
        assert finished(job)[0] == []
    finally:
        server.stop()
