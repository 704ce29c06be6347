"""Signals as a terminal sets them, whatever the test run itself was started with (a background job ignores some)."""

import signal

import pytest


@pytest.fixture(autouse=True)
def _signals_of_a_terminal():
    wanted = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
    if hasattr(signal, "SIGHUP"):
        wanted[signal.SIGHUP] = signal.SIG_DFL
    before = {number: signal.signal(number, handler) for number, handler in wanted.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
