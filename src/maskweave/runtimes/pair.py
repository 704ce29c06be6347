"""Join an encoder that sees the image and a decoder that is asked about it into one runtime."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import replace
from threading import Lock

import numpy as np

from maskweave.errors import UnknownLayout
from maskweave.runtimes.base import Runtime, RuntimeInfo, Tensors, check_names

_KEPT = 8
"""Images whose encoding is kept: of SAM 4 MB each, of SAM 2 16."""


class PairRuntime:
    """A network made of two, see `Runtime`: what the encoder makes of an image is kept for the next question.

    Inputs are the encoder's, and those of the decoder that the encoder does not give; outputs are the decoder's. An
    encoding is known by the bytes that the encoder was given, so the same image is encoded once, whoever asks;
    several threads that ask about a new one at once wait for one run of the encoder.

    Args:
        encoder: Its outputs are called as inputs of the decoder.
        decoder: The other half.
        kept: How many encodings are kept, the latest used.

    Raises `UnknownLayout` when the decoder takes nothing that the encoder gives.
    """

    def __init__(self, encoder: Runtime, decoder: Runtime, *, kept: int = _KEPT) -> None:
        self._encoder, self._decoder = encoder, decoder
        self._info = _joined(encoder.describe(), decoder.describe())
        self._max_kept = kept
        self._encodings: OrderedDict[bytes, Future[Tensors]] = OrderedDict()
        self._lock = Lock()

    def run(self, inputs: Tensors) -> Tensors:
        """Run the decoder, and before it the encoder for an image that is not known; see `Runtime`."""
        check_names(inputs, [tensor.name for tensor in self._info.inputs])
        image = {tensor.name: inputs[tensor.name] for tensor in self._encoder.describe().inputs}
        question = {name: array for name, array in inputs.items() if name not in image}
        return self._decoder.run(self._encoded(image) | question)

    def describe(self) -> RuntimeInfo:
        """See `Runtime`."""
        return self._info

    def close(self) -> None:
        """Free both networks and what is kept."""
        self._encodings.clear()
        self._encoder.close()
        self._decoder.close()

    def _encoded(self, image: Tensors) -> Tensors:
        key = _digest(image)
        with self._lock:
            known = self._encodings.get(key)
            encoding: Future[Tensors] = Future() if known is None else known
            self._encodings[key] = encoding
            self._encodings.move_to_end(key)
            while len(self._encodings) > self._max_kept:
                self._encodings.popitem(last=False)
        if known is None:
            try:
                encoding.set_result(self._encode(image))
            except BaseException as error:
                encoding.set_exception(error)
                with self._lock:
                    self._encodings.pop(key, None)
                raise
        return encoding.result()

    def _encode(self, image: Tensors) -> Tensors:
        """What the decoder takes of what the encoder gives, in the decoder's types."""
        encoded = self._encoder.run(image)
        return {
            tensor.name: np.asarray(encoded[tensor.name]).astype(tensor.dtype, copy=False)
            for tensor in self._info.inner
        }


def _joined(encoder: RuntimeInfo, decoder: RuntimeInfo) -> RuntimeInfo:
    given = {tensor.name for tensor in encoder.outputs}
    inner = tuple(tensor for tensor in decoder.inputs if tensor.name in given)
    if not inner:
        takes = ", ".join(tensor.name for tensor in decoder.inputs)
        raise UnknownLayout(
            f"encoder and decoder: need a decoder that takes {' or '.join(sorted(given))}, got one that takes "
            f"{takes}; give the two files that were exported together"
        )
    return replace(
        encoder,
        inputs=(*encoder.inputs, *(tensor for tensor in decoder.inputs if tensor.name not in given)),
        outputs=decoder.outputs,
        inner=inner,
        metadata={**encoder.metadata, **decoder.metadata},
        concurrency=min(encoder.concurrency, decoder.concurrency),
    )


def _digest(image: Tensors) -> bytes:
    """Of the names, shapes and bytes of arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for name, array in sorted(image.items()):
        digest.update(f"{name} {array.shape} {array.dtype} ".encode())
        digest.update(np.ascontiguousarray(array).view(np.uint8).reshape(-1).data)
    return digest.digest()
