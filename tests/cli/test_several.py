import threading

import pytest

from maskweave.cli.several import done_in_order


def test_results_come_in_order_whoever_is_done_first():
    second_done = threading.Event()

    def do(number):
        if number == 0:
            assert second_done.wait(30)  # the first is held until the second is done
        if number == 1:
            second_done.set()
        return number * number

    assert list(done_in_order(range(20), do)) == [number * number for number in range(20)]


def test_little_more_than_is_at_work_is_taken():
    taken = []

    def items():
        for number in range(100):
            taken.append(number)
            yield number

    results = done_in_order(items(), lambda number: number)
    assert next(results) == 0
    results.close()
    assert len(taken) <= 6


def test_what_one_raises_comes_in_its_turn_and_nothing_new_is_begun():
    begun = []

    def do(number):
        begun.append(number)
        if number == 3:
            raise ValueError("three")
        return number

    results = done_in_order(range(100), do)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert max(begun) <= 9
    assert not [each for each in threading.enumerate() if each.name.startswith("maskweave-picture")]
