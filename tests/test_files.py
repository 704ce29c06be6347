"""A file is there whole or not at all."""

# ruff: noqa: PT012, SIM117 - what must fail is how a block ends, so the block stands inside

import errno
import io
import os

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from maskweave import files
from maskweave.errors import OutputError, SourceNotFound
from maskweave.files import atomic_file, atomic_folder, written_by_maskweave

OUR_JSON = '{\n"info": {"description": "Objects found by MaskWeave", "version": "0.1"},\n"categories": ['


def png(software="MaskWeave", palette=False):
    """A PNG whose text chunk names the program that made it."""
    image = Pillow.fromarray(np.zeros((4, 4), np.uint8))
    if palette:
        image = image.convert("P")
        image.putpalette(bytes(range(256)) * 3)
    text = PngInfo()
    if software:
        text.add_text("Software", software)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=text)
    return buffer.getvalue()


def listed(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_file_appears_at_the_end(tmp_path):
    final = tmp_path / "sub" / "a.png"
    with atomic_file(final) as part:
        part.write_bytes(b"x")
        assert not final.exists()
        assert part.suffix == ".png"
        assert part.parent == final.parent
    assert listed(tmp_path) == ["sub", "sub/a.png"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_failure_leaves_the_older_file(tmp_path, error):
    final = tmp_path / "a.txt"
    final.write_text("old")
    with pytest.raises(error), atomic_file(final) as part:
        part.write_text("half")
        raise error
    assert listed(tmp_path) == ["a.txt"]
    assert final.read_text() == "old"


def test_two_writers_of_one_name_do_not_meet(tmp_path):
    final = tmp_path / "a.txt"
    with atomic_file(final) as first, atomic_file(final) as second:
        assert first != second
        first.write_text("1")
        second.write_text("2")
    assert final.read_text() == "1"


def test_disk_full_is_one_line(tmp_path):
    with pytest.raises(OutputError, match=r"a\.txt: cannot be written \(No space left on device\); free"):
        with atomic_file(tmp_path / "a.txt"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert listed(tmp_path) == []


def test_failing_rename_is_one_line(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(files.Path, "replace", fail)
    with pytest.raises(OutputError, match="Read-only file system"), atomic_file(tmp_path / "a.txt") as part:
        part.write_text("x")
    assert listed(tmp_path) == []


def test_source_errors_pass(tmp_path):
    with pytest.raises(SourceNotFound, match="gone"), atomic_file(tmp_path / "a.txt"):
        raise SourceNotFound("gone")


def test_file_where_a_folder_must_be(tmp_path):
    (tmp_path / "out").write_text("")
    with (
        pytest.raises(OutputError, match="choose a folder, not a file"),
        atomic_file(tmp_path / "out" / "a.txt"),
    ):
        pass


def test_folder_where_a_file_must_be(tmp_path):
    (tmp_path / "a.txt").mkdir()
    with (
        pytest.raises(OutputError, match="a folder of that name is in the way"),
        atomic_file(tmp_path / "a.txt"),
    ):
        pass


def test_forbidden_folder(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(files.Path, "touch", fail)
    with pytest.raises(OutputError, match="Permission denied"), atomic_file(tmp_path / "a.txt"):
        pass


def test_a_signal_while_the_disk_makes_the_file_leaves_none(tmp_path, monkeypatch):
    touch = files.Path.touch

    def touched_and_told_to_end(path, **options):
        touch(path, **options)
        raise SystemExit(0)

    monkeypatch.setattr(files.Path, "touch", touched_and_told_to_end)
    with pytest.raises(SystemExit), atomic_file(tmp_path / "a.png"):
        pass
    assert not list(tmp_path.iterdir())


def test_long_names(tmp_path):
    with atomic_file(tmp_path / ("n" * 250 + ".txt")) as part:
        part.write_text("x")
    with pytest.raises(OutputError, match="name too long"), atomic_file(tmp_path / ("n" * 300)) as part:
        part.write_text("x")
    assert len(listed(tmp_path)) == 1


@pytest.mark.parametrize(
    ("content", "ours"),
    [
        (png(), True),
        (png(palette=True), True),
        (png("GIMP"), False),
        (png(""), False),
        (OUR_JSON.encode(), True),
        (b'{"info":{"description":"Objects found by MaskWeave"}}', True),
        (b'{"version": "5.0.1", "flags": {}, "shapes": []}', False),
        (b'{"note": "Objects found by MaskWeave"}', False),
        (b"", False),
        (b"tEXtSoftware\0MaskWeave", False),
    ],
)
def test_our_files_are_known_by_their_marks(tmp_path, content, ours):
    (tmp_path / "a").write_bytes(content)
    assert written_by_maskweave(tmp_path / "a") is ours


def test_what_is_no_file_is_not_ours(tmp_path):
    assert not written_by_maskweave(tmp_path)
    assert not written_by_maskweave(tmp_path / "gone.png")


def test_a_foreign_file_is_not_replaced_where_only_own_ones_may_be(tmp_path):
    final = tmp_path / "photo.json"
    final.write_text('{"shapes": []}')
    with pytest.raises(
        OutputError, match=r"photo\.json: a file that MaskWeave did not write is there; move it"
    ):
        with atomic_file(final, only_own=True):
            pytest.fail("told before anything is done")
    assert listed(tmp_path) == ["photo.json"]
    assert final.read_text() == '{"shapes": []}'
    final.write_text(OUR_JSON)
    with atomic_file(final, only_own=True) as part:
        part.write_text("new")
    assert final.read_text() == "new"


def test_a_foreign_file_that_came_meanwhile_stays(tmp_path):
    final = tmp_path / "photo.json"
    with pytest.raises(OutputError, match="did not write"):
        with atomic_file(final, only_own=True) as part:
            part.write_text("new")
            final.write_text("theirs")
    assert listed(tmp_path) == ["photo.json"]
    assert final.read_text() == "theirs"


def test_folder_appears_at_the_end(tmp_path):
    final = tmp_path / "clip.masks"
    with atomic_folder(final) as part:
        (part / "1.png").write_text("x")
        assert not final.exists()
    assert listed(tmp_path) == ["clip.masks", "clip.masks/.maskweave", "clip.masks/1.png"]


def test_older_folder_is_replaced_as_a_whole(tmp_path):
    final = tmp_path / "masks"
    final.mkdir()
    (final / "1.png").write_bytes(png())
    (final / "2.png").write_bytes(png())
    with atomic_folder(final) as part:
        (part / "1.png").write_text("new")
    assert listed(tmp_path) == ["masks", "masks/.maskweave", "masks/1.png"]
    assert (final / "1.png").read_text() == "new"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_failure_leaves_the_older_folder(tmp_path, error):
    final = tmp_path / "masks"
    final.mkdir()
    (final / "1.png").write_bytes(png())
    with pytest.raises(error), atomic_folder(final) as part:
        (part / "1.png").write_text("half")
        raise error
    assert listed(tmp_path) == ["masks", "masks/1.png"]
    assert (final / "1.png").read_bytes() == png()


def test_folder_with_other_files_is_never_replaced(tmp_path):
    final = tmp_path / "photos"
    final.mkdir()
    (final / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds thesis\.doc"), atomic_folder(final):
        pytest.fail("told before anything is done")
    assert listed(tmp_path) == ["photos", "photos/thesis.doc"]


def test_folder_with_foreign_images_is_never_replaced(tmp_path):
    final = tmp_path / "clip.masks"
    final.mkdir()
    (final / "1.png").write_bytes(png())
    (final / "2.png").write_bytes(png("GIMP"))
    with pytest.raises(OutputError, match=r"clip\.masks: holds 2\.png, which MaskWeave did not write"):
        with atomic_folder(final):
            pytest.fail("told before anything is done")
    assert listed(tmp_path) == ["clip.masks", "clip.masks/1.png", "clip.masks/2.png"]


def test_folder_that_gets_foreign_images_meanwhile_stays(tmp_path):
    final = tmp_path / "clip.masks"
    with pytest.raises(OutputError, match=r"holds 2\.png"), atomic_folder(final) as part:
        (part / "1.png").write_bytes(png())
        final.mkdir()
        (final / "2.png").write_bytes(png(""))
    assert listed(tmp_path) == ["clip.masks", "clip.masks/2.png"]


def test_folder_comes_back_when_the_second_rename_fails(tmp_path, monkeypatch):
    final = tmp_path / "masks"
    final.mkdir()
    (final / "1.png").write_bytes(png())
    rename = files.Path.rename

    def fail_for_the_new(self, target):
        if self.name.endswith(".part"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(self, target)

    monkeypatch.setattr(files.Path, "rename", fail_for_the_new)
    with pytest.raises(OutputError, match="Input/output error"), atomic_folder(final) as part:
        (part / "1.png").write_text("new")
    assert listed(tmp_path) == ["masks", "masks/1.png"]
    assert (final / "1.png").read_bytes() == png()


def test_file_where_the_folder_must_be(tmp_path):
    (tmp_path / "masks").write_text("")
    with pytest.raises(OutputError, match="need a folder to replace"), atomic_folder(tmp_path / "masks"):
        pass


def test_files_without_a_mark_are_ours_while_nobody_changes_them(tmp_path):
    final = tmp_path / "labels"
    for text in ("one", "two"):
        with atomic_folder(final) as part:
            (part / "a.txt").write_text(text)
    assert (final / "a.txt").read_text() == "two"
    (final / "a.txt").write_text("mine now")
    with pytest.raises(OutputError, match=r"holds a\.txt, which was changed since MaskWeave wrote it"):
        atomic_folder(final).__enter__()
    (final / "a.txt").unlink()
    (final / "b.txt").write_text("mine")
    with pytest.raises(OutputError, match=r"holds b\.txt, which MaskWeave did not write"):
        atomic_folder(final).__enter__()
    with atomic_folder(final, overwrite=True) as part:
        (part / "a.txt").write_text("three")
    assert listed(final) == [".maskweave", "a.txt"]


def test_the_folder_that_somebody_is_in_is_not_overwritten(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for place in (tmp_path, tmp_path.parent):
        with pytest.raises(OutputError, match="is the folder you are in, or holds it"):
            atomic_folder(place, overwrite=True).__enter__()


@pytest.mark.parametrize("text", ["# Written by MaskWeave\nnames:", "<?xml?>\n<!-- Written by MaskWeave -->"])
def test_a_comment_says_who_wrote_a_file(tmp_path, text):
    (tmp_path / "a").write_text(text)
    assert written_by_maskweave(tmp_path / "a")
