"""Downloads that go well, and every way in which they do not."""

import dataclasses
import errno
import hashlib
import io
import json
import os
import tarfile
import warnings

import pytest

from maskweave.catalog import cache, download, entries
from maskweave.catalog.download import pull
from maskweave.catalog.entry import Checksum, Entry, ModelFile
from maskweave.errors import HashMismatch, InvalidValue, ModelNotDownloaded
from tests.catalog.server import serving

WEIGHTS = bytes(range(256)) * 2000
TEXT = b"node { }\n" * 10


def checksum(content, algorithm="sha256"):
    return Checksum(algorithm, hashlib.new(algorithm, content).hexdigest())


def archive_of(content, name="folder/weights.pb"):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, data in (("../escaped", b"x"), (name, content)):
            info = tarfile.TarInfo(path)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        link = tarfile.TarInfo("folder/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return packed.getvalue()


def entry_of(*files):
    return Entry(
        name="tested",
        task="instances",
        family="none",
        files=files,
        license="MIT",
        class_names=("thing",),
        preprocessing="none",
        metric="none",
        source="none",
    )


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A cache of its own, and no settings from outside."""
    for name in (
        "MASKWEAVE_OFFLINE",
        "MASKWEAVE_MIRROR",
        "HTTP_PROXY",
        "http_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "models" / "tested"


@pytest.fixture
def server():
    with serving() as state:
        state.files = {"/weights.onnx": WEIGHTS, "/graph.txt": TEXT}
        yield state


@pytest.fixture
def entry(server):
    return entry_of(
        ModelFile("weights.onnx", checksum(WEIGHTS), (f"{server.address}/weights.onnx",), size=len(WEIGHTS)),
        ModelFile("graph.txt", checksum(TEXT), (f"{server.address}/graph.txt",)),
    )


def broken(*args):
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def left_in(home):
    return sorted(path.name for path in home.iterdir()) if home.is_dir() else []


def test_fetches_once_and_reports_progress(entry, server, home):
    seen = []
    paths = pull(entry, progress=lambda done, total: seen.append((done, total)))
    assert [path.read_bytes() for path in paths] == [WEIGHTS, TEXT]
    assert left_in(home) == ["graph.txt", "lock.json", "weights.onnx"]
    assert (len(WEIGHTS), len(WEIGHTS)) in seen
    assert seen[-1] == (len(TEXT), len(TEXT))  # no size published: the server's word
    assert [done for done, total in seen if total == len(WEIGHTS)] == sorted(
        done for done, total in seen if total == len(WEIGHTS)
    )
    assert pull(entry) == paths == cache.locate(entry)
    assert server.asked == ["/weights.onnx", "/graph.txt"]


def test_files_can_be_read_by_others(entry, home):
    pull(entry)
    (home / "plain").touch()
    assert (home / "weights.onnx").stat().st_mode == (home / "plain").stat().st_mode


def test_a_flipped_bit_is_found(entry, server, home):
    server.files["/weights.onnx"] = WEIGHTS[:1000] + bytes([WEIGHTS[1000] ^ 1]) + WEIGHTS[1001:]
    with pytest.raises(HashMismatch, match=r"not what was published: need sha256 .* nothing was kept"):
        pull(entry)
    assert left_in(home) == []


def test_a_download_that_ends_early(entry, server, home):
    server.cut = 70_000
    with pytest.raises(
        ModelNotDownloaded,
        match=r"tested: this model is not on this machine \(http.*the connection broke off",
    ):
        pull(entry)
    assert left_in(home) == []


def test_an_answer_that_is_too_short(entry, server, home):
    server.files["/weights.onnx"] = WEIGHTS[:-1]
    with pytest.raises(ModelNotDownloaded, match="ended early: need 512,000 bytes, got 511,999"):
        pull(entry)
    assert left_in(home) == []


def test_an_answer_that_is_too_long(entry, server, home):
    server.files["/weights.onnx"] = WEIGHTS * 3
    with pytest.raises(HashMismatch, match="need 512,000 bytes, got more"):
        pull(entry)
    assert left_in(home) == []


def test_an_interrupted_download(entry, server, home):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(entry, progress=stop)
    assert left_in(home) == []
    assert len(pull(entry)) == 2


def test_a_file_that_was_whole_is_kept_when_the_next_fails(entry, server, home):
    del server.files["/graph.txt"]
    with pytest.raises(ModelNotDownloaded, match="the server says 404 Not Found"):
        pull(entry)
    assert left_in(home) == ["lock.json", "weights.onnx"]
    server.files["/graph.txt"] = TEXT
    pull(entry)
    assert server.asked.count("/weights.onnx") == 1


def test_no_network(home):
    file = ModelFile("a.onnx", checksum(b""), ("http://127.0.0.1:9/a.onnx",))
    with pytest.raises(
        ModelNotDownloaded,
        match=r"no connection to the server.*without a network use the built-in one: built-in",
    ) as caught:
        pull(entry_of(file))
    assert "\n" not in str(caught.value)
    assert left_in(home) == []


def test_the_second_address_is_tried(entry, server):
    first, second = entry.files
    moved = dataclasses.replace(first, urls=(f"{server.address}/gone", *first.urls))
    assert len(pull(dataclasses.replace(entry, files=(moved, second)))) == 2
    assert server.asked[:2] == ["/gone", "/weights.onnx"]


def test_a_wrong_file_is_named_rather_than_an_address_that_is_gone(entry, server):
    server.files["/bad"] = b"bad"
    moved = dataclasses.replace(
        entry.files[1], urls=(f"{server.address}/gone", f"{server.address}/bad", f"{server.address}/none")
    )
    with pytest.raises(HashMismatch, match="/bad"):
        pull(entry_of(moved))


@pytest.mark.parametrize("how", ["argument", "variable"])
def test_offline(entry, server, monkeypatch, how):
    if how == "variable":
        monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    with pytest.raises(
        ModelNotDownloaded, match="tested: this model is not on this machine; with a network: maskweave"
    ):
        pull(entry, offline=True if how == "argument" else None)
    assert server.asked == []


def test_the_argument_beats_the_offline_variable(entry, monkeypatch):
    monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    assert len(pull(entry, offline=False)) == 2


def test_offline_gives_what_is_here(entry, monkeypatch):
    paths = pull(entry)
    monkeypatch.setenv("MASKWEAVE_OFFLINE", "1")
    assert pull(entry) == paths


@pytest.mark.parametrize(
    ("value", "offline"), [("", False), ("0", False), ("no", False), ("1", True), ("yes", True)]
)
def test_offline_variable(monkeypatch, value, offline):
    monkeypatch.setenv("MASKWEAVE_OFFLINE", value)
    assert download.is_offline() is offline


def test_mirror(entry, server, monkeypatch):
    server.files = {"/copies/tested/weights.onnx": WEIGHTS, "/copies/tested/graph.txt": TEXT}
    monkeypatch.setenv("MASKWEAVE_MIRROR", f"{server.address}/copies/")
    assert len(pull(entry)) == 2


def test_mirror_on_disk(entry, server, tmp_path, monkeypatch):
    folder = tmp_path / "my mirror" / "tested"
    folder.mkdir(parents=True)
    (folder / "weights.onnx").write_bytes(WEIGHTS)
    monkeypatch.setenv("MASKWEAVE_MIRROR", (tmp_path / "my mirror").as_uri())
    with pytest.raises(ModelNotDownloaded, match=r"graph\.txt cannot be fetched"):
        pull(entry)
    (folder / "graph.txt").write_bytes(TEXT)
    assert len(pull(entry)) == 2
    assert server.asked == []


def test_mirror_that_is_none(entry, monkeypatch):
    monkeypatch.setenv("MASKWEAVE_MIRROR", "ftp://host")
    with pytest.raises(InvalidValue, match="MASKWEAVE_MIRROR: need an http, https or file address"):
        pull(entry)


def test_cache_that_cannot_be_made(entry, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("MASKWEAVE_CACHE", str(tmp_path / "file"))
    with pytest.raises(
        ModelNotDownloaded, match=r"cannot be written \(Not a directory\); set MASKWEAVE_CACHE"
    ):
        pull(entry)


def test_disk_full(entry, home, monkeypatch):
    class Full(io.BytesIO):
        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(download.Path, "open", lambda *args, **more: Full())
    with pytest.raises(ModelNotDownloaded, match=r"cannot be written \(No space left on device\); make room"):
        pull(entry)
    assert left_in(home) == []


def test_a_full_disk_is_not_filled_again_from_the_next_address(entry, server, monkeypatch):
    class Full(io.BytesIO):
        def write(self, chunk):
            raise OSError(errno.ENOSPC, "No space left on device")

    first = entry.files[0]
    moved = dataclasses.replace(first, urls=(*first.urls, f"{server.address}/again"))
    monkeypatch.setattr(download.Path, "open", lambda *args, **more: Full())
    with pytest.raises(ModelNotDownloaded, match="make room"):
        pull(entry_of(moved))
    assert server.asked == ["/weights.onnx"]


def test_a_file_is_on_the_disk_before_it_gets_its_name(entry, home, monkeypatch):
    seen = []
    monkeypatch.setattr(cache.os, "fsync", lambda number: seen.append(left_in(home)))
    pull(entry)
    assert "weights.onnx" not in seen[0]
    assert len(seen) == 4  # two files, and the lock file after each


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EROFS, "can be written"), (errno.EACCES, "can be written")],
)
def test_a_disk_that_takes_no_file(tmp_path, monkeypatch, number, advice):
    def fail(descriptor):
        raise OSError(number, os.strerror(number))

    path = tmp_path / "kept.txt"
    path.write_text("old")
    monkeypatch.setattr(cache.os, "fsync", fail)
    with (
        pytest.raises(
            ModelNotDownloaded, match=rf"kept\.txt: cannot be written \(.*\); .*{advice}"
        ) as caught,
        cache.replacing(path) as part,
    ):
        part.write_text("new")
    assert "\n" not in str(caught.value)
    assert [(each.name, each.read_text()) for each in tmp_path.iterdir()] == [("kept.txt", "old")]


class TestArchive:
    """A model that is one file of a published archive, with nothing but a sha1."""

    @pytest.fixture
    def packed(self):
        return archive_of(WEIGHTS)

    @pytest.fixture
    def entry(self, server, packed):
        server.files["/model.tar.gz"] = packed
        return entry_of(
            ModelFile(
                "weights.pb",
                checksum(WEIGHTS, "sha1"),
                (f"{server.address}/model.tar.gz",),
                member="folder/weights.pb",
                archive=checksum(packed, "sha1"),
            )
        )

    def test_only_the_member_is_kept_and_its_sha256_pinned(self, entry, home):
        with pytest.warns(UserWarning, match="gives only a sha1, which fits; its sha256 is now pinned"):
            (path,) = pull(entry)
        assert path.read_bytes() == WEIGHTS
        assert left_in(home) == ["lock.json", "weights.pb"]
        assert not (home.parent / "escaped").exists()
        lock = json.loads((home / "lock.json").read_text())
        assert lock["weights.pb"]["sha256"] == hashlib.sha256(WEIGHTS).hexdigest()

    def test_the_pin_holds(self, entry, home):
        with pytest.warns(UserWarning, match="pinned"):
            pull(entry)
        lock = json.loads((home / "lock.json").read_text())
        lock["weights.pb"] = {"sha256": "0" * 64}
        (home / "lock.json").write_text(json.dumps(lock))
        with pytest.raises(HashMismatch, match=f"need sha256 {'0' * 64}"):
            pull(entry)
        (home / "weights.pb").unlink()
        with pytest.raises(HashMismatch, match="not what was published: need sha256 000"):
            pull(entry)

    def test_wrong_archive(self, entry, server, home):
        server.files["/model.tar.gz"] = archive_of(WEIGHTS + b"x")
        with pytest.raises(HashMismatch, match="need sha1"):
            pull(entry)
        assert left_in(home) == []

    @pytest.mark.parametrize("member", ["folder/none.pb", "folder/link", "folder"])
    def test_member_that_is_no_file(self, entry, home, member):
        file = dataclasses.replace(entry.files[0], member=member)
        with pytest.raises(HashMismatch, match="nothing was kept"):
            pull(entry_of(file))
        assert left_in(home) == []

    def test_wrong_member(self, server, entry, home):
        file = dataclasses.replace(entry.files[0], checksum=checksum(b"other", "sha1"))
        with pytest.raises(HashMismatch, match="need sha1"):
            pull(entry_of(file))
        assert left_in(home) == []

    def test_archive_that_is_none(self, server, home, entry):
        server.files["/model.tar.gz"] = TEXT
        file = dataclasses.replace(entry.files[0], archive=checksum(TEXT))
        with pytest.raises(HashMismatch, match=r"need an archive with folder/weights\.pb"):
            pull(entry_of(file))
        assert left_in(home) == []


class TestCache:
    """What lies on this machine, and whether it is right."""

    @pytest.fixture(autouse=True)
    def table(self, entry, monkeypatch):
        monkeypatch.setattr(cache, "all_entries", lambda: (entry,))

    def test_a_file_put_there_by_hand_is_checked_before_use(self, entry, home):
        home.mkdir(parents=True)
        (home / "weights.onnx").write_bytes(WEIGHTS)
        (home / "graph.txt").write_bytes(TEXT)
        assert len(cache.locate(entry)) == 2
        (home / "graph.txt").write_bytes(TEXT[:-1] + b"!")
        with pytest.raises(
            HashMismatch, match=r"graph\.txt: need sha256 .*; delete it, then: maskweave models pull"
        ):
            cache.locate(entry)

    def test_an_unchanged_file_is_not_hashed_again(self, entry, monkeypatch):
        pull(entry)
        monkeypatch.setattr(cache, "checksum_of", lambda *args: pytest.fail("hashed again"))
        cache.locate(entry)

    def test_a_file_that_is_no_longer_the_published_one(self, entry, home):
        """A new version of MaskWeave may publish another file under the same name."""
        pull(entry)
        newer = dataclasses.replace(entry.files[1], checksum=checksum(b"newer"))
        with pytest.raises(HashMismatch, match=checksum(b"newer").value):
            cache.locate(dataclasses.replace(entry, files=(entry.files[0], newer)))

    def test_a_cache_that_cannot_be_written_is_read(self, entry, home, monkeypatch):
        pull(entry)
        (home / "lock.json").unlink()
        monkeypatch.setattr(cache.os, "fsync", broken)
        assert len(cache.locate(entry)) == 2
        assert left_in(home) == ["graph.txt", "weights.onnx"]

    def test_a_file_that_cannot_be_read(self, entry, home, monkeypatch):
        pull(entry)
        (home / "lock.json").unlink()
        monkeypatch.setattr(cache, "checksum_of", broken)
        with pytest.raises(
            ModelNotDownloaded, match=r"weights\.onnx: cannot be read \(Input/output error\); check"
        ):
            cache.locate(entry)
        reports = cache.verify()
        assert [each.state for each in reports] == ["damaged", "damaged"]
        assert "cannot be read" in reports[0].detail

    @pytest.mark.parametrize("content", ["{", "[]", '{"weights.onnx": 3}'])
    def test_a_damaged_lock_file_costs_a_check_only(self, entry, home, content):
        pull(entry)
        (home / "lock.json").write_text(content)
        assert len(cache.locate(entry)) == 2

    def test_verify(self, entry, home):
        assert cache.verify() == []
        pull(entry)
        assert [(each.path.name, each.state) for each in cache.verify()] == [
            ("weights.onnx", "ok"),
            ("graph.txt", "ok"),
        ]
        (home / "weights.onnx").write_bytes(WEIGHTS[:-1])
        (home / "graph.txt").unlink()
        (home / ".weights.onnx.12.part").touch()
        assert [(each.path.name, each.state) for each in cache.verify()] == [
            ("weights.onnx", "damaged"),
            ("graph.txt", "missing"),
            (".weights.onnx.12.part", "unknown"),
        ]

    def test_verify_finds_a_change_that_kept_size_and_time(self, entry, home):
        pull(entry)
        path = home / "graph.txt"
        status = path.stat()
        path.write_bytes(TEXT[:-1] + b"!")
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert [each.state for each in cache.verify()] == ["ok", "damaged"]


def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("MASKWEAVE_CACHE", "~/models")
    assert cache.cache_dir() == cache.Path.home() / "models"
    monkeypatch.delenv("MASKWEAVE_CACHE")
    assert cache.cache_dir().name == "maskweave"


class TestPackage:
    """A file in the package: checked by its sha256, as the others."""

    @pytest.fixture
    def weights(self, tmp_path, monkeypatch):
        path = tmp_path / "package" / "small.onnx"
        path.parent.mkdir()
        path.write_bytes(WEIGHTS)
        monkeypatch.setattr(cache, "packaged_path", lambda file: path.with_name(file.name))
        return path

    @pytest.fixture
    def packaged(self, weights, monkeypatch):
        entry = dataclasses.replace(entry_of(ModelFile("small.onnx", checksum(WEIGHTS))), packaged=True)
        monkeypatch.setattr(cache, "all_entries", lambda: (entry,))
        return entry

    def test_right(self, packaged, weights):
        assert pull(packaged) == cache.locate(packaged) == (weights,)
        (report,) = cache.verify()
        assert (report.model, report.path, report.state) == ("tested", weights, "ok")

    def test_damaged(self, packaged, weights):
        weights.write_bytes(WEIGHTS[:-1])
        with pytest.raises(HashMismatch, match=r"small\.onnx: need sha256 .*; install maskweave again"):
            pull(packaged)
        (report,) = cache.verify()
        assert report.state == "damaged"
        assert report.detail.startswith("need sha256")

    def test_missing(self, packaged, weights):
        weights.unlink()
        with pytest.raises(ModelNotDownloaded, match="install maskweave again"):
            pull(packaged)
        (report,) = cache.verify()
        assert (report.state, report.detail) == ("missing", "install maskweave again")


def test_the_model_in_the_package():
    built_in = entries.find("built-in")
    folder = cache.Path(cache.__file__).parent / "weights"
    if not (folder / "compact-s.onnx").is_file():
        with pytest.raises(ModelNotDownloaded, match=r"need compact-s\.onnx in the package"):
            pull(built_in)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert pull(built_in, offline=True) == (folder / "compact-s.onnx",)
