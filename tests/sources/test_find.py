"""From words on the command line to sources with names of their own."""

import errno
import io
import os
import struct
import sys
import threading
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer

import numpy as np
import pytest
from PIL import Image as Pillow

from maskweave.errors import (
    ImageTooLarge,
    InvalidValue,
    SourceError,
    SourceNotFound,
    UnreadableImage,
    UnreadableVideo,
)
from maskweave.sources import Source, find_sources, open_file
from maskweave.sources.web import fetch, without_secrets
from tests.clips import corners, quarter_names, write_clip, write_tone


def make_image(path, image=None, kind="PNG"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(corners() if image is None else image).save(path, kind)
    return path


def names(*inputs, **options):
    return [source.name for source in find_sources([str(one) for one in inputs], **options)]


def only(*inputs, **options):
    (source,) = find_sources([str(one) for one in inputs], **options)
    return source


def test_a_file(tmp_path):
    source = only(make_image(tmp_path / "my.street.png"))
    assert isinstance(source, Source)
    assert (source.name, source.info.name, source.kind) == ("my.street", "my.street", "image")
    with source:
        (frame,) = source
    assert quarter_names(frame.image) == "RG/BW"
    assert source.warnings == []


def test_a_folder_in_natural_order(tmp_path):
    for name in ("f10.png", "f2.PNG", "F1.jpg", ".hidden.png", "sub/a.png", ".git/b.png"):
        make_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("words")
    write_clip(tmp_path / "clip.mp4")
    assert names(tmp_path) == ["clip", "F1", "f2", "f10"]
    make_image(tmp_path / "two" / "a10.png")
    make_image(tmp_path / "two" / "a.png")
    assert names(tmp_path / "two") == ["a", "a10"]
    (tmp_path / "two" / "a10.png").unlink()
    (tmp_path / "two" / "a.png").unlink()
    assert names(tmp_path, recursive=True) == ["clip", "F1", "f2", "f10", "sub/a"]


def test_files_of_a_folder_are_chosen_by_content(tmp_path):
    make_image(tmp_path / "IMG_0001")
    make_image(tmp_path / "b.jpg_large")
    write_clip(tmp_path / "v.mp4").rename(tmp_path / "v.bin")
    for suffix, codec in ((".mp4", "aac"), (".mkv", "aac"), (".ogg", "flac")):  # audio alone: passed over
        write_tone(tmp_path / f"song{suffix}", codec=codec)
    (tmp_path / "song.mp4").rename(tmp_path / "song.m4a")
    (tmp_path / "song.mkv").rename(tmp_path / "song.mka")
    write_clip(tmp_path / "w.mkv").rename(tmp_path / "w.mka")
    for name in ("a.txt", "b.txt", "c.json", "LICENSE"):
        (tmp_path / name).write_text("words")
    sources = find_sources([tmp_path])
    assert [(source.name, source.kind) for source in sources] == [
        ("b", "image"),
        ("IMG_0001", "image"),
        ("v", "video"),
        ("w", "video"),
    ]
    (note,) = sources[0].warnings
    assert note.startswith(f"{tmp_path}: passed over 7 files that are no images or videos (2 .txt, 1 ")
    assert sources[1].warnings == []


def test_images_of_other_formats_in_a_folder_are_failures_that_name_them(tmp_path):
    make_image(tmp_path / "a.png")
    (tmp_path / "b.jxl").write_bytes(b"\xff\x0a" + bytes(50))
    (tmp_path / "c.CR3").write_bytes(b"\0\0\0\x18ftypcrx " + bytes(50))
    (tmp_path / "d.pdf").write_bytes(b"%PDF-1.7" + bytes(50))
    sources = find_sources([tmp_path])
    assert [source.name for source in sources] == ["a", "b", "c"]
    for source, named in zip(sources[1:], ("JPEG XL", "a camera's raw photo"), strict=True):
        with source, pytest.raises(UnreadableImage, match=f"got {named}.*, which is not supported; export"):
            list(source)
    assert "1 .pdf" in sources[0].warnings[0]


def test_folders_below_that_hold_images_are_told(tmp_path):
    make_image(tmp_path / "a.png")
    make_image(tmp_path / "more" / "b.png")
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "c.txt").touch()
    assert only(tmp_path).warnings == [
        f"{tmp_path}: folders below were not looked into (more); --recursive does"
    ]
    assert find_sources([tmp_path], recursive=True)[0].warnings == [
        f"{tmp_path}: passed over 1 file that is no image or video (1 .txt)"
    ]


def test_files_that_a_pattern_passes_over_are_counted(tmp_path):
    make_image(tmp_path / "a.png")
    (tmp_path / "a.txt").write_text("words")
    assert "1 .txt" in only(tmp_path / "*").warnings[0]


def test_an_error_that_nobody_foresaw_is_one_of_its_input(tmp_path, monkeypatch):
    path = make_image(tmp_path / "a.png")

    def broken(self):
        raise struct.error("unpack requires 4 bytes")
        yield

    monkeypatch.setattr("maskweave.sources.images.ImageSource.__iter__", broken)
    with (
        only(path) as source,
        pytest.raises(UnreadableImage, match=r"a\.png: .*error: unpack requires 4 bytes"),
    ):
        list(source)
    monkeypatch.setattr("maskweave.sources.find.open_file", lambda *_, **__: int(""))
    with pytest.raises(UnreadableImage, match=r"a\.png: .*ValueError"):
        only(path).open()


def test_patterns(tmp_path):
    for name in ("a2.png", "a10.png", "b.png", "x.txt.md", "sub/a3.png"):
        make_image(tmp_path / name)
    (tmp_path / "x.txt.md").write_text("words")
    assert names(tmp_path / "a*.png") == ["a2", "a10"]
    assert names(tmp_path / "*") == ["a2", "a10", "b"]
    assert names(tmp_path / "**" / "a*") == ["a2", "a10", "a3"]
    with pytest.raises(SourceNotFound, match="matches nothing"):
        only(tmp_path / "*.gif").open()
    with pytest.raises(SourceNotFound, match="matches 1 other file"):
        only(tmp_path / "*.md").open()


def test_a_name_with_brackets_is_no_pattern(tmp_path):
    assert names(make_image(tmp_path / "a[1].png")) == ["a[1]"]


def test_equal_names_are_told_apart(tmp_path):
    a, b = make_image(tmp_path / "one" / "a.png"), make_image(tmp_path / "one" / "a.jpg")
    c, d = make_image(tmp_path / "two" / "a.png"), make_image(tmp_path / "two" / "A_png-2.png")
    assert names(a, b) == ["a_png", "a_jpg"]
    assert names(a, c) == ["a_png", "a_png-2"]
    assert names(a, c, d) == ["a_png", "a_png-3", "A_png-2"]
    assert names(tmp_path / "one", tmp_path / "two") == ["a_jpg", "a_png", "a_png-3", "A_png-2"]
    assert names(a, a, tmp_path / "one" / ".." / "one" / "a.png") == ["a"]


def test_type_by_content(tmp_path):
    video = write_clip(tmp_path / "v.mp4").rename(tmp_path / "v.bin")
    image = make_image(tmp_path / "i.mp4")
    raw = write_clip(tmp_path / "r.h264").rename(tmp_path / "r.data")
    lying = write_clip(tmp_path / "w.mkv").rename(tmp_path / "w.jpg")
    kinds = []
    for path in (video, image, raw, lying):
        with only(path) as source:
            kinds.append(source.info.kind)
            assert len(list(source)) == (1 if path is image else 12)
    assert kinds == ["video", "image", "video", "video"]


def test_neither(tmp_path):
    (tmp_path / "a.xyz").write_text("no image, no video, only words\n" * 20)
    with pytest.raises(UnreadableImage, match="need an image or a video"):
        open_file(tmp_path / "a.xyz")
    (tmp_path / "a.mkv").write_text("words")
    with pytest.raises(UnreadableVideo):
        open_file(tmp_path / "a.mkv")


def test_a_bad_input_does_not_stop_the_others(tmp_path):
    good = make_image(tmp_path / "street.png")
    sources = find_sources([str(tmp_path / "strete.png"), str(good)])
    with pytest.raises(
        SourceNotFound, match=r"strete\.png: no such file or folder; did you mean street\.png"
    ):
        sources[0].open()
    with pytest.raises(SourceNotFound), sources[0]:
        pass
    assert sources[0].info.name == "strete"  # for messages, even so
    assert len(list(sources[1])) == 1


def test_missing_folder(tmp_path):
    with pytest.raises(SourceNotFound, match="there is no folder"):
        only(tmp_path / "no" / "a.png").open()


def test_folder_without_images(tmp_path):
    (tmp_path / "a.txt").touch()
    with pytest.raises(SourceNotFound, match=r"no images or videos in this folder; looked for \.jpg .*\.mp4"):
        only(tmp_path).open()


def test_nothing():
    with pytest.raises(InvalidValue, match="need at least one"):
        find_sources([])


def test_budget_is_passed_on(tmp_path):
    with pytest.raises(ImageTooLarge):
        list(only(make_image(tmp_path / "a.png"), max_pixels=10))
    with pytest.raises(ImageTooLarge):
        only(write_clip(tmp_path / "a.mp4"), max_pixels=10).open()


def test_nothing_is_opened_before_it_is_asked_for(tmp_path, monkeypatch):
    write_clip(tmp_path / "a.mp4")
    monkeypatch.setattr("maskweave.sources.video.VideoSource.__init__", None)
    assert names(tmp_path) == ["a"]


def test_lazy_source_keeps_warnings_and_opens_again(tmp_path):
    source = only(write_clip(tmp_path / "raw.h264"))
    for _ in range(2):
        with source:
            assert len(list(source)) == 12
        assert "no frame has a timestamp" in source.warnings[0]


def test_standard_input(monkeypatch, tmp_path):
    data = make_image(tmp_path / "a.png").read_bytes()

    class Input:
        buffer = io.BytesIO(data)

        def isatty(self):
            return False

    monkeypatch.setattr(sys, "stdin", Input())
    source = only("-")
    assert source.name == "stdin"
    assert quarter_names(next(iter(source)).image) == "RG/BW"


def test_standard_input_from_a_terminal(monkeypatch):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(UnreadableImage, match="got a terminal"):
        only("-").open()


def test_folder_as_video(tmp_path):
    for at in (10, 9, 1):
        make_image(tmp_path / "run" / f"{at:05d}.png")
    with only(tmp_path / "run", as_video=True, rate=10) as source:
        frames = list(source)
    assert [frame.name for frame in frames] == ["00001", "00009", "00010"]
    assert [frame.time for frame in frames] == [0, Fraction(1, 10), Fraction(2, 10)]
    assert (source.info.kind, source.info.name, source.info.rate) == ("video", "run", 10)
    assert source.info.frame_count == 3
    make_image(tmp_path / "run" / "00011.png", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UnreadableVideo, match=r"00011\.png: need 64 x 48 pixels"):
        list(only(tmp_path / "run", as_video=True))


def test_frames_of_one_stem_are_refused(tmp_path):
    make_image(tmp_path / "run" / "1.jpg")
    make_image(tmp_path / "run" / "2.jpg")
    make_image(tmp_path / "run" / "1.png")
    with pytest.raises(UnreadableVideo, match=r"run: .* got 1\.jpg and 1\.png"):
        only(tmp_path / "run", as_video=True).open()


def test_frames_know_their_files(tmp_path):
    make_image(tmp_path / "run" / "1.JPG")
    make_image(tmp_path / "run" / "2.png")
    with only(tmp_path / "run", as_video=True) as source:
        assert [(frame.name, frame.file_name) for frame in source] == [("1", "1.JPG"), ("2", "2.png")]


@pytest.mark.parametrize("rate", [0, -5, 0.0001, float("nan"), float("inf")])
def test_a_wrong_rate_is_told(tmp_path, rate):
    with pytest.raises(InvalidValue, match="rate: need frames per second"):
        find_sources([str(tmp_path)], rate=rate)


def ours(path):
    return path.stem.endswith(".overlay")


def test_files_to_ignore(tmp_path):
    for name in ("a.jpg", "a.overlay.jpg", "sub/b.jpg", "sub/b.overlay.jpg"):
        make_image(tmp_path / name)
    assert names(tmp_path, recursive=True, ignore=ours) == ["a", "sub/b"]
    assert names(tmp_path / "**" / "*.jpg", ignore=ours) == ["a", "b"]
    assert names(tmp_path / "a.overlay.jpg", ignore=ours) == ["a.overlay"]
    with only(tmp_path, as_video=True, ignore=ours) as source:
        assert source.info.frame_count == 1
    (tmp_path / "a.jpg").unlink()
    told = r"holds nothing but results .*a\.overlay\.jpg"
    for nothing in (tmp_path, tmp_path / "*.jpg"):
        with pytest.raises(SourceNotFound, match=told):
            only(nothing, ignore=ours).open()
    with pytest.raises(SourceNotFound, match=told):
        only(tmp_path, ignore=ours, as_video=True).open()


def test_pipes_inside_folders_and_patterns_are_passed_over(tmp_path):
    make_image(tmp_path / "a.png")
    os.mkfifo(tmp_path / "b.png")
    assert names(tmp_path) == names(tmp_path / "*.png") == ["a"]
    with only(tmp_path, as_video=True) as source:
        assert len(list(source)) == 1


def test_a_pipe_that_is_named_is_read_once(tmp_path):
    data = make_image(tmp_path / "a.png").read_bytes()
    os.mkfifo(tmp_path / "b.png")
    source = only(tmp_path / "b.png")  # found without opening it, which would wait for a writer
    assert (source.name, source.kind) == ("b", "image")
    writer = threading.Thread(target=(tmp_path / "b.png").write_bytes, args=(data,))
    writer.start()
    with source:
        assert source.info.kind == "image"
        assert quarter_names(next(iter(source)).image) == "RG/BW"
    writer.join()


def test_process_substitution(tmp_path):
    out, into = os.pipe()
    os.write(into, make_image(tmp_path / "a.png").read_bytes())
    os.close(into)
    with only(f"/dev/fd/{out}") as source:
        assert quarter_names(next(iter(source)).image) == "RG/BW"
    os.close(out)


def test_a_folder_that_may_not_be_read_does_not_stop_the_others(tmp_path, monkeypatch):
    for name in ("a.png", "closed/b.png", "open/c.png"):
        make_image(tmp_path / name)
    original = type(tmp_path).iterdir

    def iterdir(self):
        if self.name == "closed":
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(self)

    monkeypatch.setattr(type(tmp_path), "iterdir", iterdir)
    sources = find_sources([str(tmp_path)], recursive=True)
    assert [source.name for source in sources] == ["a", "open/c", "closed"]
    assert sources[2].label == str(tmp_path / "closed")
    with pytest.raises(UnreadableImage, match=r"closed: cannot be read \(Permission denied\); check"):
        sources[2].open()


def test_addresses():
    assert names("rtsp://me:secret@cam.local:554/live?token=1") == ["cam.local-554-live"]
    source = only("rtsp://me:secret@cam.local/live")
    assert "secret" not in source.label + repr(source)
    assert only("camera:3").kind == "live"
    assert names("camera:3") == names("camera 3") == ["camera-3"]
    with pytest.raises(SourceNotFound, match="need http, https or rtsp, got ftp"):
        only("ftp://host/a.png").open()
    assert without_secrets("https://u:p@h:8/a.png?k=1") == "https://h:8/a.png"


@pytest.mark.parametrize(
    "address",
    [
        "http://u:secret@localhost:99999/x.jpg",
        "http://u:secret@localhost:port/x.jpg",
        "rtsp://u:secret@[::1/x",
        "rtsp://u:se/cret@host/x",
        "rtsp://u:1/secret@host/x",
        "rtsp://u:1?secret@host/x",
        "rtsp://u:1#secret@host/x",
        "rtsp://u:p@secret/secret@host/x",
        "rtsp://u:p@[secret]x@host/x",
        "http://localhost:99999/x.jpg?token=secret",
        "http://localhost:99999/x.jpg#secret",
        "http://localhost:99999/x.jpg?mail=a@b&token=secret",
        "ftp://u:secret@host:99999/x",
        "http://u:secret@[::1]:8/x",
        "http://u:secret@host\u2100/x",
    ],
)
def test_no_label_shows_a_secret(address):
    source = only(address)
    assert "secret" not in without_secrets(address)
    assert "cret" not in without_secrets(address)
    shown = f"{source.label} {source!r} {source.name}"
    with pytest.raises(SourceNotFound) as caught:
        source.open()
    assert "cret" not in shown + str(caught.value) + str(source.info)
    assert "\n" not in str(caught.value)


def test_addresses_stay_readable():
    assert without_secrets("http://[::1]:8/a.png") == "http://[::1]:8/a.png"
    assert without_secrets("http://u:p@localhost:99999/x.jpg?a=1") == "http://localhost:99999/x.jpg"
    assert without_secrets("https://host/@me/a.png") == "https://host/@me/a.png"


class Handler(BaseHTTPRequestHandler):
    """A server on this machine that knows a few addresses."""

    body = b""

    def do_GET(self):
        if self.path.startswith("/a.png"):
            self.send_response(200)
            self.send_header("Content-Length", str(len(self.body)))
            self.end_headers()
            self.wfile.write(self.body)
        elif self.path.startswith("/text"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>please log in</html>")
        elif self.path == "/closed":
            good = self.headers.get("Authorization") == "Basic bWU6c2VjcmV0IQ=="  # me:secret!
            self.send_response(200 if good else 401)
            self.end_headers()
            self.wfile.write(self.body if good else b"")
        elif self.path == "/away":
            self.send_response(302)
            self.send_header("Location", "/closed")
            self.end_headers()
        elif self.path == "/short":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"123")
        elif self.path in ("/moved", "/ftp"):
            self.send_response(302)
            self.send_header("Location", "/a.png" if self.path == "/moved" else "ftp://127.0.0.1/a.png")
            self.end_headers()
        else:
            self.send_error(404)

    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    Handler.body = make_image(tmp_path / "a.png").read_bytes()
    with HTTPServer(("127.0.0.1", 0), Handler) as web:
        thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()
        thread.join()


def test_image_behind_an_address(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    source = only(f"{server}/a.png?size=1")
    assert source.name.endswith("a")
    assert quarter_names(next(iter(source)).image) == "RG/BW"
    assert fetch(f"{server}/moved") == Handler.body
    with pytest.raises(SourceNotFound, match="answered 404"):
        fetch(f"{server}/gone.png")
    with pytest.raises(SourceNotFound, match="answered 302"):
        fetch(f"{server}/ftp")
    with pytest.raises(SourceNotFound, match=r"997 bytes missing|cannot be fetched"):
        fetch(f"{server}/short")
    with pytest.raises(UnreadableImage, match="at most"):
        fetch(f"{server}/a.png", max_bytes=10)


def test_text_behind_an_address_names_it(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(
        UnreadableImage, match=rf"^{server}/text: need an image .* got text that begins '<html>"
    ):
        list(only(f"{server}/text?token=1"))


def test_name_and_password_of_an_address_are_sent(server, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    assert fetch(server.replace("//", "//me:secret%21@") + "/closed") == Handler.body
    with pytest.raises(SourceNotFound, match="answered 401"):
        fetch(server.replace("//", "//me:wrong@") + "/closed")
    with pytest.raises(SourceNotFound, match="answered 401"):  # never passed on to where it redirects
        fetch(server.replace("//", "//me:secret%21@") + "/away")


def test_no_server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(SourceNotFound, match=r"cannot be fetched .*; check the address and the network"):
        fetch("http://127.0.0.1:1/a.png", timeout=2)


@pytest.mark.shared
def test_the_photo(shared_data):
    assert names(shared_data / "media" / "segment_img.jpg") == ["segment_img"]


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_link_to_itself_is_an_input_that_fails_alone(tmp_path):
    (tmp_path / "loop.png").symlink_to("loop.png")
    (source,) = find_sources([tmp_path])
    assert source.name == "loop"
    with pytest.raises(SourceError), source:
        list(source)
