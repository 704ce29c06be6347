import numpy as np
import pytest

from maskweave.annotations.record import Record
from maskweave.errors import InvalidValue, OutputError
from tests.annotations.scenes import collected, objects, plain, read, rectangle, write

HEAD = (
    '<?xml version="1.0" encoding="utf-8"?>\n<annotations><version>1.1</version><meta><task>'
    "<size>3</size><labels><label><name>cat</name></label><label><name>dog</name></label></labels>"
    "<original_size><width>16</width><height>12</height></original_size><source>clip.mp4</source></task></meta>"
)


def put(path, *shapes, head=HEAD, image='name="a.png" width="16" height="12"'):
    path.write_text(f'{head}<image id="0" {image}>{"".join(shapes)}</image></annotations>', encoding="utf-8")
    return path


BOX = '<box label="cat" xtl="1" ytl="2" xbr="5" ybr="6" occluded="0"/>'


def test_all_shapes_with_an_area_are_read(tmp_path):
    path = put(
        tmp_path / "a.xml",
        BOX,
        '<box label="cat" xtl="4" ytl="5" xbr="12" ybr="7" rotation="90.0"/>',
        '<ellipse label="dog" cx="8" cy="6" rx="6" ry="3"/>',
        '<polygon label="dog" points="1,1;5,1;5,4;1,4"/>',
        '<mask label="dog" rle="1, 2, 3, 3" left="2" top="3" width="3" height="3"/>',
    )
    (record,) = read(path)
    areas = record.instances.masks.areas.tolist()
    assert areas[:2] == [16, 16]
    assert record.instances.masks.boxes[1].tolist() == [7, 2, 9, 10]  # turned by a right angle
    assert areas[2] == pytest.approx(np.pi * 18, abs=5)
    assert areas[3:] == [12, 5]
    np.testing.assert_array_equal(record.instances.masks.crops[4], [[0, 1, 1], [0, 0, 0], [1, 1, 1]])
    assert record.instances.class_names == ("cat", "dog")


def test_tracks_of_a_video_become_frames(tmp_path):
    path = tmp_path / "a.xml"
    shape = '<box frame="{}" outside="{}" keyframe="1" xtl="1" ytl="2" xbr="5" ybr="6"/>'
    path.write_text(
        f'{HEAD}<track id="7" label="dog">{shape.format(0, 0)}{shape.format(1, 1)}</track>'
        f'<track id="9" label="cat">{shape.format(0, 0)}</track></annotations>'
    )
    found = read(path)
    assert [each.stem for each in found] == ["clip/00000", "clip/00001", "clip/00002"]
    assert found[0].instances.track_ids.tolist() == [7, 9]
    assert found[0].instances.names == ("dog", "cat")
    assert [len(each.instances) for each in found] == [2, 0, 0]
    assert (found[2].video, found[2].frame) == ("clip", 2)


def test_simple_outlines_are_polygons_and_the_rest_masks(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    before = Record("a & b.png", objects([ring, rectangle(11, 1, 15, 3)], names=("<cat>", 'a"b')))
    write(tmp_path / "a.xml", "cvat", [before])
    text = (tmp_path / "a.xml").read_text()
    assert (text.count("<mask "), text.count("<polygon ")) == (1, 1)
    (after,) = read(tmp_path / "a.xml")
    assert (after.file_name, after.instances.names) == ("a & b.png", ("<cat>", 'a"b'))
    report = write(tmp_path / "b.xml", "cvat", [before], holes="fill")
    assert report.losses == {"holes": (1, 9)}
    assert (tmp_path / "b.xml").read_text().count("<polygon ") == 2
    write(tmp_path / "c.xml", "cvat", [before], masks="rle")
    assert (tmp_path / "c.xml").read_text().count("<mask ") == 2


def test_holes_of_several_parts_are_filled_as_measured(tmp_path):
    ring = rectangle(1, 1, 9, 9) & ~rectangle(3, 3, 6, 6)
    before = Record("a.png", objects([ring | rectangle(11, 1, 15, 3)]))
    report = write(tmp_path / "a.xml", "cvat", [before], holes="fill")
    (after,) = read(tmp_path / "a.xml")
    assert after.instances.masks.areas[0] == before.instances.masks.areas[0] + report.losses["holes"][1]


BOMB = (
    '<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY lol "lol"><!ENTITY lol2 "&lol;&lol;">]>'
    "<annotations><version>1.1</version>"
)
OUTSIDE = '<?xml version="1.0"?><!DOCTYPE x SYSTEM "file:///etc/passwd"><annotations><version>1.1</version>'


@pytest.mark.parametrize("head", [BOMB, OUTSIDE])
def test_entities_and_document_types_are_refused(tmp_path, head):
    with pytest.raises(InvalidValue, match="declares a document type or entities, which are refused"):
        read(put(tmp_path / "a.xml", BOX, head=head), "cvat")


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<polyline label="cat" points="1,1;2,2"/>', "need a polygon, box, ellipse or mask"),
        ('<polygon label="cat" points="1,1;2,2"/>', "polygon: need"),
        ('<polygon label="cat" points="1,1;2,2;nan,3"/>', "need finite numbers"),
        ('<polygon label="cat" points="1,1;2,2;x"/>', "need points x, y"),
        ('<polygon label="cat"/>', "points"),
        ('<polygon label="cow" points="1,1;5,1;5,4"/>', r"need a label of the file \(cat, dog\), got 'cow'"),
        ('<mask label="cat" rle="1,2" left="0" top="0" width="2" height="2"/>', "sum to 4, got 3"),
        (
            '<mask label="cat" rle="4" left="15" top="0" width="2" height="2"/>',
            "need a mask with pixels inside",
        ),
    ],
)
def test_a_broken_shape_is_named_and_the_rest_goes_on(tmp_path, shape, message):
    path = put(tmp_path / "a.xml", shape, BOX)
    (record,), (line,) = collected(path)
    assert len(record.instances) == 1
    assert line.startswith("a.xml, image a.png, shape 1 (")
    with pytest.raises(Exception, match=message):
        read(path)


@pytest.mark.parametrize(
    "image",
    [
        'name=".." width="16" height="12"',
        'name="a.png" width="x" height="12"',
        'width="16" height="12"',
    ],
)
def test_a_broken_image_is_named(tmp_path, image):
    found, lines = collected(put(tmp_path / "a.xml", BOX, image=image))
    assert (found, len(lines)) == ([], 1)
    assert lines[0].startswith("a.xml, image ")


@pytest.mark.parametrize(
    "text", ["", "<a>", "<annotations>", "<other/>", f"{HEAD}</annotations>", "<annotations>" + "<a>" * 50]
)
def test_what_is_no_file_of_cvat_is_told(tmp_path, text):
    (tmp_path / "a.xml").write_text(text)
    with pytest.raises(InvalidValue, match=r"a\.xml: need"):
        read(tmp_path / "a.xml", "cvat")


def test_tracks_without_a_size_are_told(tmp_path):
    text = '<annotations><track id="1" label="cat"><box frame="0" xtl="1" ytl="1" xbr="2" ybr="2"/></track>'
    (tmp_path / "a.xml").write_text(f"{text}</annotations>")
    with pytest.raises(InvalidValue, match="need the video's size"):
        read(tmp_path / "a.xml", "cvat")


def test_a_foreign_file_is_not_replaced(tmp_path):
    (tmp_path / "a.xml").write_text("<annotations><version>1.1</version></annotations>")
    with pytest.raises(OutputError, match="did not write"):
        write(tmp_path / "a.xml", "cvat", [plain()])
