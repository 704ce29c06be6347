"""Two networks as one: an image is encoded once, for all who ask about it."""

import threading

import numpy as np
import pytest

from maskweave.errors import EngineError, UnknownLayout
from maskweave.runtimes.base import TensorSpec
from maskweave.runtimes.pair import PairRuntime
from tests.runtimes.fake import FakeRuntime


def spec(name, dtype="float32"):
    return TensorSpec(name, (None,), dtype)


def pair_of(encode=lambda inputs: {"code": inputs["image"] * 10, "unused": inputs["image"]}, **options):
    """An encoder that gives ten times the image, a decoder that adds the question; and the encoder."""
    encoder = FakeRuntime(
        encode, inputs=(spec("image"),), outputs=(spec("code"), spec("unused")), concurrency=2
    )
    decoder = FakeRuntime(
        lambda inputs: {"answer": inputs["code"] + inputs["question"]},
        inputs=(spec("code"), spec("question")),
        outputs=(spec("answer"),),
    )
    return PairRuntime(encoder, decoder, **options), encoder


def ask(pair, image, question):
    inputs = {"image": np.float32([image]), "question": np.float32([question])}
    return pair.run(inputs)["answer"].tolist()


def test_it_looks_like_one_network():
    pair, encoder = pair_of()
    info = pair.describe()
    assert [tensor.name for tensor in info.inputs] == ["image", "question"]
    assert [tensor.name for tensor in info.outputs] == ["answer"]
    assert [tensor.name for tensor in info.inner] == ["code"]
    assert info.concurrency == 1
    with pytest.raises(EngineError, match="need image, question, got image"):
        pair.run({"image": np.float32([1])})
    pair.close()
    assert encoder.closed


def test_a_second_question_about_an_image_does_not_encode_it_again():
    pair, encoder = pair_of()
    assert ask(pair, 1, 2) == [12]
    assert ask(pair, 1, 3) == [13]
    assert len(encoder.seen) == 1
    assert ask(pair, 2, 3) == [23]
    assert len(encoder.seen) == 2


def test_the_image_is_known_by_what_it_is_not_by_the_array():
    """An array that is filled anew is another image; one of other sides is too, though its bytes are the same."""
    pair, encoder = pair_of()
    image, question = np.float32([1, 2]), np.float32([0, 0])
    for values in ([1, 2], [3, 4], [1, 2]):
        image[:] = values
        assert pair.run({"image": image, "question": question})["answer"].tolist() == [v * 10 for v in values]
    assert len(encoder.seen) == 2
    pair.run({"image": np.float32([[1, 2]]), "question": question})
    assert len(encoder.seen) == 3


def test_only_the_latest_are_kept():
    pair, encoder = pair_of(kept=2)
    for image in (1, 2, 1, 3):  # the third asks about 1 again, so 2 is the oldest
        ask(pair, image, 0)
    assert len(encoder.seen) == 3
    ask(pair, 1, 0)
    assert len(encoder.seen) == 3
    ask(pair, 2, 0)
    assert len(encoder.seen) == 4


def test_threads_that_ask_at_once_wait_for_one_run():
    started, go_on = threading.Event(), threading.Event()

    def encode(inputs):
        started.set()
        assert go_on.wait(30)
        return {"code": inputs["image"] * 10}

    pair, encoder = pair_of(encode)
    answers = []
    threads = [
        threading.Thread(target=lambda question=question: answers.append(ask(pair, 1, question)))
        for question in range(4)
    ]
    for thread in threads:
        thread.start()
    assert started.wait(30)
    go_on.set()
    for thread in threads:
        thread.join(30)
    assert sorted(answers) == [[10], [11], [12], [13]]
    assert len(encoder.seen) == 1


def test_a_run_that_fails_is_not_kept():
    answers = [EngineError("no"), {"code": np.float32([7])}]

    def encode(inputs):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    pair, _ = pair_of(encode)
    with pytest.raises(EngineError, match="no"):
        ask(pair, 1, 0)
    assert ask(pair, 1, 1) == [8]


def test_the_decoder_gets_its_own_types():
    pair, _ = pair_of(lambda inputs: {"code": np.float16([1.5])})
    assert pair.run({"image": np.float32([1]), "question": np.float32([1])})["answer"].dtype == np.float32


def test_halves_that_do_not_fit_are_told():
    encoder = FakeRuntime({}, inputs=(spec("image"),), outputs=(spec("code"),))
    with pytest.raises(UnknownLayout, match="takes code, got one that takes other; give the two files"):
        PairRuntime(encoder, FakeRuntime({}, inputs=(spec("other"),)))
