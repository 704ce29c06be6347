"""Everything MaskWeave raises on purpose.

::

    MaskWeaveError
    ├── InvalidValue (ValueError)      a value of the wrong shape, type or range was passed
    ├── SourceError                    an input cannot be read
    │   ├── SourceNotFound             no such file, folder, glob match or address
    │   ├── UnreadableImage            not an image, damaged, or cut short
    │   ├── ImageTooLarge              more pixels than the budget allows
    │   ├── UnreadableVideo            not a video, damaged, or without a video stream
    │   └── BadRecord                  a record of a file of truth or results cannot be used
    ├── ModelError                     a model cannot be used
    │   ├── UnknownModel               no catalog entry and no file of that name
    │   ├── ModelNotDownloaded               known, but not on this machine (and not to be fetched now)
    │   ├── HashMismatch               the file is not the one that was published
    │   ├── NotAModel                  the engine cannot load the file
    │   └── UnknownLayout              a model, but its tensors fit no family
    ├── EngineError                    an inference engine failed
    │   └── DeviceUnavailable          the asked device does not serve this model
    ├── OutputError                    a result cannot be written
    ├── IsolationError                 work in a child process was lost
    │   ├── ChildCrashed               the process ended: a signal or an exit
    │   ├── DeadlinePassed             it gave no sign of life for too long
    │   └── OutOfMemory                it needed more memory than it may have
    └── MissingDependency (ImportError)   an optional library is not installed

What is worth knowing of an input that could be read is a `SourceWarning` of Python's own `warnings`.

Messages are one line: what was needed, what came, what to do. Where a file fits no family, the lines below that one
are a sidecar to be filled in.
"""

from __future__ import annotations

from collections.abc import Iterable


class MaskWeaveError(Exception):
    """Base of every error that MaskWeave raises on purpose."""


class InvalidValue(MaskWeaveError, ValueError):
    """A value of the wrong shape, type or range was passed to a function."""


class SourceError(MaskWeaveError):
    """An input cannot be read."""


class SourceWarning(UserWarning):
    """An input was read, but not as it stands: something is missing, was passed over or repaired."""


class SourceNotFound(SourceError, FileNotFoundError):
    """No such file, folder, glob match or address."""


class UnreadableImage(SourceError):
    """A file is not an image, is damaged, or ends too early."""


class ImageTooLarge(SourceError):
    """An image or a video frame has more pixels than the budget allows."""


class UnreadableVideo(SourceError):
    """A file is not a video, is damaged, or has no video stream."""


class BadRecord(SourceError):
    """A record of a file of truth or results cannot be used; the message names it."""


class ModelError(MaskWeaveError):
    """A model cannot be used."""


class UnknownModel(ModelError):
    """Neither a catalog entry nor a file has that name."""


class ModelNotDownloaded(ModelError):
    """The model is in the catalog, but its file is not on this machine."""


class HashMismatch(ModelError):
    """A model file is not, byte for byte, the one that was published."""


class NotAModel(ModelError):
    """The inference engine cannot load the file."""


class UnknownLayout(ModelError):
    """The file is a model, but its tensors fit no known family."""


class EngineError(MaskWeaveError):
    """An inference engine failed while it ran."""


class DeviceUnavailable(EngineError):
    """The asked device does not serve this model here."""


class OutputError(MaskWeaveError):
    """A result cannot be written."""


class IsolationError(MaskWeaveError):
    """Work in a child process was lost."""


class ChildCrashed(IsolationError):
    """The child process ended in the middle of a call: a crash of native code, or somebody ended it."""


class DeadlinePassed(IsolationError):
    """A call in a child process gave no sign of life for too long and was ended."""


class OutOfMemory(IsolationError):
    """A call in a child process needed more memory than it may have."""


class MissingDependency(MaskWeaveError, ImportError):
    """An optional library is not installed; the message names the extra to install."""


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The end of an error about a ``name`` that is none of ``names``: the nearest of them, or nothing.

    >>> did_you_mean("overley", ["masks", "overlay"])
    '; did you mean overlay?'
    """
    import difflib

    known = {each.lower(): each for each in names}
    near = difflib.get_close_matches(name.lower(), known, n=1)
    return f"; did you mean {known[near[0]]}?" if near else ""
