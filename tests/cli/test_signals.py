import os
import signal

import pytest

from maskweave.cli.signals import interruptible, until_stopped
from maskweave.sources.lazy import LazySource
from tests.sources.paper import JumpingWatch, PaperSource, dropped


def opened(kind):
    return LazySource("paper", "paper", lambda name: PaperSource(range(9), kind=kind), kind)


def test_the_first_signal_ends_a_live_recording_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT)
    seen = []
    with opened("live") as source, until_stopped(source):
        for frame in source:
            seen.append(frame.index)
            if frame.index == 3:
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert seen == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_signal_ends_the_wait_for_a_camera_at_once():
    watch = JumpingWatch(lambda time: os.kill(os.getpid(), signal.SIGINT))
    source = LazySource("paper", "paper", lambda name: PaperSource([0, dropped()], watch=watch), "live")
    with source, until_stopped(source):
        assert len(list(source)) == 1
    assert watch.time < 100.2


def test_a_recorded_video_is_interrupted():
    with opened("video") as source, pytest.raises(KeyboardInterrupt), until_stopped(source):
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_signal_that_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
