import os
import signal

import numpy as np
import pytest

from maskweave.cli.stopping import interruptible, until_stopped
from maskweave.types import Frame


def frames():
    for index in range(100):
        yield Frame(np.zeros((2, 2, 3), np.uint8), index=index)


def test_the_first_signal_ends_a_live_recording_and_the_second_interrupts():
    before = signal.getsignal(signal.SIGINT)
    seen = []
    with until_stopped(frames(), live=True) as live:
        for frame in live:
            seen.append(frame.index)
            if frame.index == 3:
                os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert seen == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_recorded_video_is_interrupted():
    with pytest.raises(KeyboardInterrupt), until_stopped(frames(), live=False) as recorded:  # noqa: PT012
        for _ in recorded:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="needs SIGHUP")
def test_a_signal_that_nohup_ignores_stays_ignored():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with interruptible():
        os.kill(os.getpid(), signal.SIGHUP)
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
