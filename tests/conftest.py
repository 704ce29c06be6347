"""Fixtures and settings shared by all tests."""

import signal
from pathlib import Path

import hypothesis
import pytest

hypothesis.settings.register_profile("project", deadline=None, max_examples=60, derandomize=True)
hypothesis.settings.load_profile("project")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell has what it starts in the background ignore Ctrl-C, and so would every command that the tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of measuring data beside the checkout; tests that ask for it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("needs the measuring data in ../shared/data, which is not part of the repository")
    return SHARED
