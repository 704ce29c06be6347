"""A child process that is lost takes one call with it, and says how."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from maskweave.errors import ChildCrashed, DeadlinePassed, EngineError, OutOfMemory, UnreadableImage
from maskweave.isolation import Child, ChildPool
from tests import isolated

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")
linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")


@pytest.fixture(scope="module")
def child():
    with Child(isolated.make, memory=300_000_000) as one:
        yield one


def test_an_answer_comes_back_and_the_process_stays(child):
    assert child.call(("double", 21)) == 42
    assert child.call(("pid",)) == child.call(("pid",)) == child.pid != os.getpid()


def test_an_error_is_raised_here_and_the_process_stays(child):
    before = child.call(("pid",))
    with pytest.raises(UnreadableImage, match=r"a\.jpg: damaged"):
        child.call(("fail",))
    with pytest.raises(RuntimeError, match="Unportable: of two arguments"):
        child.call(("fail unportably",))
    assert child.call(("pid",)) == before


def test_what_it_prints_is_not_taken_for_an_answer(child):
    assert child.call(("print",)) == "printed"


@posix
@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGKILL"])
def test_a_crash_is_told_with_its_signal_and_the_next_call_gets_a_new_process(child, name):
    before = child.call(("pid",))
    with pytest.raises(ChildCrashed, match=name):
        child.call(("crash", name))
    assert child.call(("pid",)) != before


@linux
@pytest.mark.parametrize("what", ["take", "take wrapped"])
def test_memory_over_the_limit_is_told_whoever_wraps_it_and_the_process_replaced(child, what):
    before = child.call(("pid",))
    with pytest.raises(OutOfMemory, match="300 MB"):
        child.call((what, 2_000_000_000))
    assert child.call(("pid",)) != before
    assert child.call((what, 100_000_000)) == 100_000_000


def test_a_call_that_hangs_is_ended_and_one_that_gives_signs_of_life_is_not():
    with Child(isolated.make, deadline=1.0) as child:
        assert child.call(("slow", 0.3, 5)) == 5
        with pytest.raises(DeadlinePassed, match="1 s"):
            child.call(("hang",))
        assert child.call(("double", 1)) == 2


def test_what_making_raises_is_raised_and_a_crash_of_it_is_no_fault_of_the_argument():
    with Child(isolated.make_badly) as child, pytest.raises(UnreadableImage, match="nothing to be made"):
        child.call(("double", 1))
    with Child(isolated.crash_at_once) as child, pytest.raises(EngineError, match="could not start"):
        child.call(("double", 1))


def test_an_argument_that_cannot_be_read_is_not_waited_for_for_ever(child):
    with pytest.raises(ChildCrashed):
        child.call(isolated.UnreadableArgument())
    assert child.call(("double", 3)) == 6


@linux
def test_no_room_for_another_thread_is_want_of_memory():
    with Child(isolated.make, memory=50_000_000) as one, pytest.raises(OutOfMemory, match="50 MB"):
        one.call(("start threads", 1000))


@posix
def test_a_call_in_the_making_removes_what_it_began_when_the_child_is_closed(tmp_path):
    child, begun = Child(isolated.make), tmp_path / "begun"
    raised = []

    def call():
        try:
            child.call(("begin", str(begun)))
        except ChildCrashed as error:
            raised.append(error)

    child.start()
    caller = threading.Thread(target=call)
    caller.start()
    while not begun.exists():
        pass
    child.close()
    caller.join(30)
    assert raised
    assert not begun.exists()
    with pytest.raises(EngineError, match="closed"):
        child.call(("double", 1))


@posix
def test_of_a_pool_each_loss_is_one_arguments_and_all_others_are_done():
    arguments = [("double", number) for number in range(12)]
    arguments[3:3] = [("crash", "SIGSEGV"), ("hang",), ("fail",)]
    with ChildPool(isolated.make, workers=2, deadline=2.0) as pool:
        came = dict(pool.results(arguments))
    lost = {argument: type(answer) for argument, answer in came.items() if isinstance(answer, Exception)}
    assert lost == {
        ("crash", "SIGSEGV"): ChildCrashed,
        ("hang",): DeadlinePassed,
        ("fail",): UnreadableImage,
    }
    assert {answer for answer in came.values() if isinstance(answer, int)} == set(range(0, 24, 2))


def test_a_pool_takes_little_more_than_is_at_work_and_ends_when_left():
    taken = []

    def arguments():
        for number in range(100):
            taken.append(number)
            yield ("double", number)

    with ChildPool(isolated.make, workers=2) as pool:
        results = pool.results(arguments())
        assert next(results)[1] in (0, 2)
        results.close()
    assert len(taken) < 8
    assert all(child.pid is None for child in pool.children)


@posix
@pytest.mark.parametrize("when", ["while it starts", "while it works"])
def test_a_child_whose_parent_is_killed_ends_without_a_word(when, tmp_path):
    code = f"""
import os, signal, threading
from maskweave.isolation import Child
from tests import isolated
child = Child(isolated.make_slowly if {when == "while it starts"} else isolated.make)
threading.Timer(0.2 if {when == "while it starts"} else 1, os.kill, [os.getpid(), signal.SIGKILL]).start()
child.call(("begin", {str(tmp_path / "begun")!r}))
"""
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        cwd=Path(__file__).parents[1],
    )
    assert ran.returncode == -signal.SIGKILL
    assert ran.stderr == ""  # its end is the child's, too: both hold it
    assert not (tmp_path / "begun").exists()


@posix
def test_children_end_with_their_parent():
    child = Child(isolated.make)
    child.start()
    process = child._process
    process.stdin.close()  # what the system does when the parent is killed
    assert process.wait(30) in (0, -signal.SIGTERM)
    child.close()
