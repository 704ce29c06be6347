"""The other end of `workers.Worker`: a process that reads requests from its standard input.

The first line holds its limits and the model; each further line is a piece of work, or, where it has the key
"control", something said to the work that is being done (`live_work`). It answers on the pipe that was
its standard output, and whatever libraries print goes to standard error. It ends when its input does, so that none
outlives the server.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, BinaryIO, TypeAlias

from maskweave.errors import MaskWeaveError

Message: TypeAlias = dict[str, Any]
Notify: TypeAlias = Callable[[Message], None]


def main() -> None:
    """Serve until standard input ends."""
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(sys.stdin.buffer, lines), daemon=True).start()

    def notify(message: Message) -> None:
        answers.write(json.dumps(message).encode() + b"\n")

    def receive(seconds: float | None) -> Message | None:
        try:
            message: Message = json.loads(lines.get(timeout=seconds))
        except Empty:
            return None
        return message

    handler = None
    while True:
        work = json.loads(lines.get())
        if "control" in work:  # it came too late: what it was said to is over
            continue
        try:
            if handler is None:
                limit_memory(work["memory"])
                if work["is_patient"]:
                    step_back()
                from maskweave.serving.handler import RequestHandler

                handler = RequestHandler(work, receive)
                notify({"result": handler.introduction()})
            else:
                notify({"result": handler.do(work, notify)})
        except BaseException as error:
            notify({"error": _described(error)})
            if not isinstance(error, Exception):
                raise


def limit_memory(max_bytes: int) -> None:
    """Let this process ask for at most so many bytes, and leave no core file; does nothing where there are no limits.

    RLIMIT_DATA counts what is written to and is private, unlike RLIMIT_AS, in which engines reserve gigabytes that
    they never touch. Linux enforces it for all memory since 4.7, see getrlimit(2); macOS for little of it.
    """
    try:
        import resource
    except ImportError:  # Windows
        return
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    if hard == resource.RLIM_INFINITY or hard > max_bytes:
        resource.setrlimit(resource.RLIMIT_DATA, (max_bytes, max_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def step_back() -> None:
    """Let other processes of this machine go first; does nothing where there are no priorities."""
    if hasattr(os, "nice"):
        os.nice(5)


def _listen(file: BinaryIO, lines: SimpleQueue[bytes]) -> None:
    for line in file:
        lines.put(line)
    os._exit(0)  # the server is gone; what was being done is for nobody


def _described(error: BaseException) -> Message:
    """An error as the other end understands it; what only a programmer understands goes to standard error."""
    if isinstance(error, MemoryError) or isinstance(error.__cause__, MemoryError):
        return {"kind": "TooMuchMemory", "detail": "needs more memory than is allowed; send a smaller file"}
    if isinstance(error, MaskWeaveError):
        return {"kind": type(error).__name__, "detail": str(error)}
    sys.excepthook(type(error), error, error.__traceback__)
    return {"kind": "InternalError", "detail": "an unexpected error; the server's log has the details"}


if __name__ == "__main__":
    main()
