import threading

import pytest

from maskweave.sources.prefetch import prefetch, prefetch_map
from tests.sources.paper import JumpingWatch, PaperSource, dropped


def names():
    return [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("depth", [1, 3])
def test_order_is_kept_and_the_thread_ends(depth):
    assert list(prefetch(iter(range(50)), depth=depth)) == list(range(50))
    assert "maskweave-prefetch" not in names()


def test_what_is_raised_comes_after_the_items_before_it():
    def items():
        yield 1
        yield 2
        raise ValueError("no more")

    seen = []
    with pytest.raises(ValueError, match="no more"):
        seen.extend(iter_into(seen, prefetch(items())))
    assert seen == [1, 2]
    assert "maskweave-prefetch" not in names()


def iter_into(seen, items):
    for item in items:
        seen.append(item)
    return []


def test_no_more_than_the_depth_is_made_ahead():
    made = []

    def items():
        for number in range(100):
            made.append(number)
            yield number

    ahead = prefetch(items(), depth=2)
    assert next(ahead) == 0
    ahead.close()
    assert len(made) <= 5
    assert "maskweave-prefetch" not in names()


def test_items_are_made_in_another_thread():
    (name,) = prefetch(threading.current_thread().name for _ in range(1))
    assert name == "maskweave-prefetch"


def test_belts_of_belts_end_from_the_outside():
    ended = []

    def items():
        try:
            yield from range(100)
        finally:
            ended.append(threading.current_thread().name)

    ahead = prefetch(number + 1 for number in prefetch(items()))
    assert next(ahead) == 1
    ahead.close()
    assert ended == ["maskweave-prefetch"]
    assert "maskweave-prefetch" not in names()


def test_closing_does_not_wait_for_a_camera_that_dropped_out():
    away = threading.Event()
    source = PaperSource([0, dropped()], watch=JumpingWatch(lambda time: away.set()), reconnect=50_000)
    items = prefetch(source, source=source)
    next(items)
    assert away.wait(60)
    items.close()
    assert "maskweave-prefetch" not in names()
    assert source.watch.time < 50_000  # else it has waited to the end


def test_results_come_in_order_whoever_is_done_first():
    second_done = threading.Event()

    def do(number):
        if number == 0:
            assert second_done.wait(30)  # the first is held until the second is done
        if number == 1:
            second_done.set()
        return number * number

    assert list(prefetch_map(range(20), do, workers=2)) == [number * number for number in range(20)]
    assert not working()


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_little_more_than_is_at_work_is_taken(workers):
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = prefetch_map(items(), lambda number: number, workers=workers)
    assert next(results) == 0
    results.close()
    assert len(taken) <= workers + 4
    assert not working()


def test_what_one_raises_comes_in_its_turn_and_nothing_new_is_begun():
    begun = []

    def do(number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    results = prefetch_map(range(100), do, workers=2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert max(begun) <= 9
    assert not working()


def test_a_result_does_not_wait_for_the_next_item():
    """A camera's image is shown before the next one comes."""
    shown = threading.Event()

    def items():
        yield 0
        assert shown.wait(30)
        yield 1

    results = prefetch_map(items(), lambda number: number, workers=2)
    assert next(results) == 0
    shown.set()
    assert list(results) == [1]


def working():
    return [name for name in names() if name.startswith("maskweave-")]
