"""Counting at lines and in zones, on ways whose truth is plain."""

import math

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from maskweave.errors import InvalidValue
from maskweave.types import Instances, Line, Masks, Zone
from maskweave.video.counting import Counter, clearance, parse_line, parse_zone

SIZE = (200, 200)  # clear of a line from 1.4 pixels on
GATE = Line((50, 100), (150, 100), "gate")  # left to right: forward is down


def standing(*spots, size=SIZE, ids=None):
    """Objects of 4 x 4 pixels whose lower edge has its middle at each (x, y)."""
    crops = [np.ones((4, 4), bool) for _ in spots]
    corners = np.array([(x - 2, y - 4) for x, y in spots], dtype=int).reshape(-1, 2)
    masks = Masks(crops, corners, size)
    count = len(spots)
    track_ids = range(1, count + 1) if ids is None else ids
    return Instances(
        masks, masks.boxes, np.ones(count), np.zeros(count, int), ("cat",), np.array(track_ids, dtype=int)
    )


def walk(counter, way, track_id=1):
    counts = [counter.update(standing(spot, ids=[track_id])) for spot in way]
    return counts[-1].lines[0] if counts[-1].lines else counts[-1].zones[0]


def passing(line=GATE):
    """A counter for which an object that is seen once on a side stands there."""
    return Counter([line], standing=1)


def test_both_directions_are_told_apart():
    counter = Counter([GATE])
    down = [(100, y) for y in range(80, 121, 5)]
    count = walk(counter, down)
    assert (count.forward, count.backward) == (1, 0)
    count = walk(counter, down[::-1], track_id=2)
    assert (count.forward, count.backward) == (1, 1)


def test_the_frame_of_a_crossing_names_the_id():
    counter = passing()
    steps = [counter.update(standing((100, y), ids=[7])).lines[0] for y in (90, 96, 104, 110)]
    assert [step.forward_now for step in steps] == [(), (), (7,), ()]
    assert [step.forward for step in steps] == [0, 0, 1, 1]


def test_an_object_must_stand_on_both_sides_for_some_frames():
    way = [(100, 90)] * 3 + [(100, 110)] * 3
    assert walk(Counter([GATE]), way).forward == 1
    assert walk(Counter([GATE]), way[1:]).forward == 0
    assert walk(Counter([GATE]), way[:-1]).forward == 0


def test_a_mask_that_jumps_for_a_frame_crosses_nothing():
    way = [*[(100, 90)] * 5, (100, 120), *[(100, 90)] * 5, (100, 120), (100, 120), *[(100, 90)] * 5]
    count = walk(Counter([GATE]), way)
    assert (count.forward, count.backward) == (0, 0)


def test_frames_on_the_line_neither_add_to_standing_nor_end_it():
    way = [(100, 90), (100, 90), (100, 100), (100, 90), (100, 110), (100, 101), (100, 110), (100, 110)]
    assert walk(Counter([GATE]), way).forward == 1


def test_there_and_back_counts_once_each_way_however_often():
    way = [(100, y) for y in (90, 110, 90, 110, 90, 110)]
    count = walk(passing(), way)
    assert (count.forward, count.backward) == (1, 1)


@given(st.lists(st.integers(-1, 1), min_size=1, max_size=30))
def test_trembling_on_the_line_counts_once_however_it_trembles(offsets):
    way = [(100, 90), *((100, 100 + offset) for offset in offsets), (100, 110)]
    count = walk(passing(), way)
    assert (count.forward, count.backward) == (1, 0)
    back = [(100, 90), *((100, 100 + offset) for offset in offsets), (100, 90)]
    count = walk(passing(), back)
    assert (count.forward, count.backward) == (0, 0)


def test_beginning_on_the_line_is_no_crossing():
    assert walk(passing(), [(100, 100), (100, 120)]).forward == 0


@pytest.mark.parametrize("x", [30, 170])
def test_the_line_has_ends(x):
    count = walk(passing(), [(x, 90), (x, 110)])
    assert (count.forward, count.backward) == (0, 0)


def test_round_the_end_and_back_through_is_one_crossing():
    count = walk(passing(), [(100, 90), (40, 95), (40, 105), (100, 110), (100, 90)])
    assert (count.forward, count.backward) == (0, 1)


def test_where_the_way_goes_over_decides_not_where_it_comes_clear():
    """Along the line within its margin, past its end, and only then over: not through it."""
    way = [(140, 90), (140, 99), (160, 99), (160, 101), (140, 101), (140, 110)]
    assert walk(passing(), way).forward == 0


def test_a_jump_over_the_line_while_out_of_sight_counts():
    counter = passing()
    counter.update(standing((100, 90), ids=[3]))
    counter.update(standing())
    assert counter.update(standing((102, 115), ids=[3])).lines[0].forward == 1


@given(
    st.lists(st.tuples(st.integers(5, 195), st.integers(5, 195)), min_size=2, max_size=12),
    st.floats(0, 2 * math.pi),
)
def test_a_reversed_line_swaps_the_directions(way, angle):
    ends = [
        (100 + 60 * math.cos(angle), 100 + 60 * math.sin(angle)),
        (100 - 60 * math.cos(angle), 100 - 60 * math.sin(angle)),
    ]
    there = walk(passing(Line(*ends, "a")), way)
    back = walk(passing(Line(*ends[::-1], "a")), way)
    assert (there.forward, there.backward) == (back.backward, back.forward)
    assert there.forward <= 1
    assert there.backward <= 1


def test_zones_tell_who_stands_in_them_and_how_many_ever_did():
    counter = Counter(zones=[Zone(((50, 50), (100, 50), (100, 100), (50, 100)), "bay")])
    first = counter.update(standing((60, 60), (150, 60), (100, 100))).zones[0]
    assert (first.inside, first.seen) == ((1, 3), 2)  # the border belongs to it
    second = counter.update(standing((150, 60), (60, 60), (101, 100))).zones[0]
    assert (second.inside, second.seen) == ((2,), 3)
    last = counter.update(standing()).zones[0]
    assert (last.inside, last.seen) == ((), 3)


def test_a_zone_to_the_edge_of_the_image_holds_what_leaves_by_it():
    counter = Counter(zones=[parse_zone("0,100,200,100,200,200,0,200")])
    assert counter.update(standing((100, 200))).zones[0].inside == (1,)


def test_ids_are_forgotten_long_after_they_were_seen():
    counter = Counter([GATE], [parse_zone("0,0,200,0,200,200")])
    for step in range(4000):
        counter.update(standing((100, 50), ids=[step + 1]))
    assert len(counter._lines[0].ways) <= 2000
    assert len(counter._zones[0].known) <= 2000
    assert counter.update(standing()).zones[0].seen == 4000


def test_clearance_follows_the_size():
    assert clearance((16, 16)) == 1
    assert clearance((2160, 3840)) == pytest.approx(22, abs=0.1)


def test_lines_and_zones_are_read_from_text():
    assert parse_line("1,2,3.5,4=my = gate") == Line((1, 2), (3.5, 4), "my = gate")
    assert parse_line(" 1, 2, 3, 4", number=2).name == "line 2"
    assert parse_zone("0,0,9,0,9,9,0,9=a").points == ((0, 0), (9, 0), (9, 9), (0, 9))


@pytest.mark.parametrize(
    ("read", "text", "message"),
    [
        (parse_line, "1,2", "--line: need x1,y1,x2,y2 (4 numbers), got 2 in '1,2'"),
        (parse_line, "1,2,3", "--line: need x1,y1,x2,y2 (pairs of numbers), got 3 in '1,2,3'"),
        (parse_line, "1,2,3,4,5,6", "(4 numbers), got 6"),
        (parse_line, "1,2,a,4", "--line: need x1,y1,x2,y2 and perhaps =name, got '1,2,a,4'"),
        (parse_line, "", "perhaps =name, got ''"),
        (parse_line, "5,5,5,5", "line 'line 1': need two different points, got (5, 5) twice"),
        (parse_line, "0,0,nan,5", "need finite numbers, got (nan, 5)"),
        (parse_zone, "0,0,5,5", "(6 numbers or more), got 4"),
        (parse_zone, "0,0,5,5,9,9", "need points that enclose an area"),
        (parse_zone, "0,0,5,5,inf,9", "need finite numbers"),
    ],
)
def test_bad_text_is_told_in_one_line(read, text, message):
    with pytest.raises(InvalidValue) as error:
        read(text)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "counter",
    [Counter([parse_line("0,0,300,10=far")]), Counter(zones=[parse_zone("0,0,300,10,5,5=far")])],
)
def test_a_place_outside_the_image_is_told(counter):
    with pytest.raises(
        InvalidValue, match=r"'far': need points inside the 200 x 200 image .* got \(300, 10\)"
    ):
        counter.update(standing())


def test_two_of_one_name_are_told():
    with pytest.raises(InvalidValue, match="got 'gate' twice"):
        Counter([GATE], [Zone(((0, 0), (1, 0), (1, 1)), "gate")])


def test_objects_without_ids_cannot_be_counted():
    with pytest.raises(InvalidValue, match="need objects with track_ids"):
        Counter([GATE]).update(standing((50, 50)).replace(track_ids=None))
