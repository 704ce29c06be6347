import threading
from fractions import Fraction

import numpy as np
import pytest

from maskweave.errors import InvalidValue, OutputError, UnreadableVideo
from maskweave.models.base import Model, Prepared
from maskweave.ops.letterbox import Letterbox
from maskweave.options import SegmentOptions
from maskweave.outputs.base import Target, Writer
from maskweave.run import write
from maskweave.run_report import RunReport
from maskweave.stages import STAGES, StageClock, as_task, check_model, keep_classes, segment_frames
from maskweave.types import IGNORE, Frame, Instances, Masks, SemanticMap, SourceInfo
from maskweave.video.tracking import MaskTracker
from tests.runtimes.fake import FakeRuntime
from tests.sources.paper import PaperSource, dropped


class BrightSquare(Model):
    """Finds the bright pixels of an image as one "cat"; an image without any has no objects."""

    def __init__(self, *, concurrency=1):
        super().__init__(
            FakeRuntime(lambda inputs: inputs, concurrency=concurrency),
            name="bright",
            class_names=("cat", "dog"),
        )

    def prepare(self, image):
        size = image.shape[:2]
        return Prepared({"image": image}, Letterbox.squash(size, size))

    def decode(self, outputs, letterbox, *, score):
        mask = outputs["image"][..., 0] > 128
        if not mask.any():
            return Instances.empty(letterbox.source_size, self.class_names)
        masks = Masks.from_dense(mask[None])
        return Instances(masks, masks.boxes, [0.8], [0], self.class_names)


class TwoNames(BrightSquare):
    """Finds the bright pixels as a "cat" and, less surely, as a "dog"."""

    def decode(self, outputs, letterbox, *, score):
        found = super().decode(outputs, letterbox, score=score)
        both = found[[0, 0]].replace(class_ids=np.array([0, 1]), scores=np.array([0.8, 0.6]))
        return both[both.scores >= score]

    def result(self, outputs, letterbox, *, score, multi_label=False):
        found = self.decode(outputs, letterbox, score=score)
        return found if multi_label else found[:1]


class Notes(Writer):
    """Keeps what it was given."""

    def __init__(self, folder, fail_at=None):
        super().__init__(Target(folder, SourceInfo("clip", "video"), "instances", ("cat", "dog")))
        self.seen, self.fail_at, self.finished, self.undone = [], fail_at, False, []
        self.files.push(lambda kind, error, trace: self.undone.append(kind))

    @property
    def path(self):
        return self.target.path(".notes")

    def write(self, result):
        if result.frame.index == self.fail_at:
            raise OutputError("disk full")
        self.seen.append((result.frame.index, result.prediction))

    def finish(self):
        self.finished = True


def frames(count, *, bright=True):
    for index in range(count):
        image = np.zeros((20, 40, 3), np.uint8)
        if bright:
            image[5:15, index : index + 10] = 255
        yield Frame(image, index=index, time=Fraction(index, 25), source="clip")


def test_frames_are_read_only_when_asked_for():
    read = []

    def source():
        for frame in frames(5):
            read.append(frame.index)
            yield frame

    results = segment_frames(source(), BrightSquare(), SegmentOptions())
    next(results)
    assert read == [0]
    next(results)
    assert read == [0, 1]


@pytest.mark.parametrize("task", ["instances", "semantic", "foreground"])
def test_overlapped_stages_give_the_same_results(task):
    def results(**options):
        tracker = MaskTracker()
        found = segment_frames(frames(25), BrightSquare(), SegmentOptions(task), tracker=tracker, **options)
        return [(each.frame.index, each.frame.time, each.prediction) for each in found]

    plain, overlapped = results(), results(overlap=True)
    assert [each[:2] for each in overlapped] == [each[:2] for each in plain]
    for (*_, first), (*_, second) in zip(plain, overlapped, strict=True):
        if task == "instances":
            assert first.masks == second.masks
            assert first.track_ids.tolist() == second.track_ids.tolist()
        else:
            np.testing.assert_array_equal(first.class_map, second.class_map)


def test_frames_that_are_looked_at_at_once_stay_in_order():
    third_done = threading.Event()

    class Slow(BrightSquare):
        def infer(self, inputs):
            place = int(inputs["image"][5, :, 0].argmax())
            if place == 0:
                assert third_done.wait(30)  # the first is held until the third is done
            if place == 2:
                third_done.set()
            return super().infer(inputs)

    clock = StageClock()
    tracked = {"tracker": MaskTracker(), "overlap": True, "clock": clock}
    results = list(segment_frames(frames(9), Slow(concurrency=3), SegmentOptions(), **tracked))
    assert [result.frame.index for result in results] == list(range(9))
    assert [result.instances.boxes[0, 0] for result in results] == list(range(9))
    assert clock.seconds["network"] > 0


@pytest.mark.parametrize("overlap", [False, True])
def test_between_key_frames_objects_are_moved_along(overlap):
    looked = []

    class Counting(BrightSquare):
        def infer(self, inputs):
            looked.append(len(looked))
            return super().infer(inputs)

    plain = [
        result.instances
        for result in segment_frames(frames(9), BrightSquare(), SegmentOptions(), tracker=MaskTracker())
    ]
    results = list(
        segment_frames(
            frames(9), Counting(), SegmentOptions(), tracker=MaskTracker(), every=3, overlap=overlap
        )
    )
    assert len(looked) == 3
    assert [result.frame.index for result in results] == list(range(9))
    for index, result in enumerate(results):
        assert result.instances.track_ids.tolist() == [1]
        if index % 3 == 0:
            assert result.instances.masks.areas == plain[index].masks.areas


def test_a_model_of_maps_looks_at_every_frame():
    model = BrightSquare()
    model.task = "semantic"
    with pytest.raises(InvalidValue, match="every: need 1 or more, and over 1 a model of instances"):
        next(segment_frames(frames(1), model, SegmentOptions("semantic"), every=2))


def test_overlapped_stages_read_only_a_few_frames_ahead_and_end_when_closed():
    read, closed = [], []

    def source():
        try:
            for frame in frames(30):
                read.append(frame.index)
                yield frame
        finally:
            closed.append(True)

    results = segment_frames(source(), BrightSquare(), SegmentOptions(), overlap=True)
    next(results)
    results.close()
    assert len(read) <= 8
    assert closed == [True]
    assert not [each for each in threading.enumerate() if each.name == "maskweave-prefetch"]


@pytest.mark.parametrize("place", ["source", "network", "decode"])
def test_overlapped_stages_hand_errors_on_after_the_results_before_them(place):
    class Failing(BrightSquare):
        count = 0

        def fail_at_third(self, stage):
            if stage == place:
                self.count += 1
                if self.count == 3:
                    raise UnreadableVideo(f"{place} broke")

        def infer(self, inputs):
            self.fail_at_third("network")
            return super().infer(inputs)

        def decode(self, outputs, letterbox, *, score):
            self.fail_at_third("decode")
            return super().decode(outputs, letterbox, score=score)

    model = Failing()

    def source():
        for frame in frames(10):
            model.fail_at_third("source")
            yield frame

    results = segment_frames(source(), model, SegmentOptions(), overlap=True)
    assert [next(results).frame.index for _ in range(2)] == [0, 1]
    with pytest.raises(UnreadableVideo, match=f"{place} broke"):
        next(results)
    assert not [each for each in threading.enumerate() if each.name == "maskweave-prefetch"]


def test_order_ids_and_counts(tmp_path):
    writer = Notes(tmp_path)
    report = RunReport()
    results = segment_frames(
        frames(4), BrightSquare(), SegmentOptions(), tracker=MaskTracker(), clock=report.clock
    )
    write(results, [writer], report=report)
    assert [index for index, _ in writer.seen] == [0, 1, 2, 3]
    assert [result.track_ids.tolist() for _, result in writer.seen] == [[1]] * 4
    assert (report.frames, report.objects, report.paths) == (4, 4, [writer.path])
    assert (report.tracks, report.classes) == (1, {"cat": 1})
    assert writer.finished
    assert writer.undone == [None]
    assert set(report.clock.seconds) == set(STAGES)


@pytest.mark.parametrize("error", [OutputError, KeyboardInterrupt])
def test_a_failure_undoes_every_writer(tmp_path, error):
    good, bad = Notes(tmp_path), Notes(tmp_path, fail_at=2)

    def interrupt(result):
        if error is KeyboardInterrupt and result.frame.index == 1:
            raise KeyboardInterrupt

    with pytest.raises(error):
        write(segment_frames(frames(4), BrightSquare(), SegmentOptions()), [good, bad], progress=interrupt)
    assert not good.finished
    assert (good.undone, bad.undone) == ([error], [error])


def test_tasks_are_made_from_instances():
    def first(task):
        return next(segment_frames(frames(1), BrightSquare(), SegmentOptions(task))).prediction

    assert first("semantic").present() == ("background", "cat")
    assert first("foreground").mask("foreground").sum() == 100
    assert len(first("instances")) == 1


def test_a_still_empty_scene_is_an_empty_foreground():
    result = next(segment_frames(frames(1, bright=False), BrightSquare(), SegmentOptions("foreground")))
    assert not result.semantic.mask("foreground").any()


def test_classes_are_kept_or_dropped():
    dropped = next(segment_frames(frames(1), BrightSquare(), SegmentOptions(classes=("dog",)))).instances
    assert len(dropped) == 0
    semantic = SemanticMap(np.array([[0, 1, 2]]), ("background", "cat", "dog"))
    assert keep_classes(semantic, ("dog",)).class_map.tolist() == [[0, IGNORE, 2]]


def test_what_a_model_cannot_do_is_refused_before_reading():
    def unread():
        raise AssertionError("the source was read")
        yield

    model = BrightSquare()
    with pytest.raises(InvalidValue, match="need names out of cat, dog; got cow"):
        next(segment_frames(unread(), model, SegmentOptions(classes=("cow",))))
    model.task = "semantic"
    with pytest.raises(InvalidValue, match="gives semantic maps, not instances"):
        next(segment_frames(unread(), model, SegmentOptions("instances")))


def test_a_class_in_other_letters_is_suggested():
    with pytest.raises(InvalidValue, match="got Cat; did you mean cat"):
        check_model(SegmentOptions(classes=("Cat",)), BrightSquare())


def test_a_map_without_a_class_called_background_has_no_foreground():
    model = BrightSquare()
    model.task = "semantic"
    with pytest.raises(InvalidValue, match="none of the 2 classes of bright is called background"):
        check_model(SegmentOptions("foreground"), model)
    check_model(SegmentOptions("foreground", classes=("cat",)), model)
    model.class_names = ("__background__", "cat")
    check_model(SegmentOptions("foreground"), model)


def test_a_semantic_map_is_no_set_of_instances():
    semantic = SemanticMap(np.array([[0, 1, IGNORE]]), ("background", "cat"))
    with pytest.raises(InvalidValue, match="need a model of instances"):
        as_task(semantic, "instances")
    assert as_task(semantic, "foreground").class_map.tolist() == [[0, 1, 0]]


def test_the_clock_adds_up():
    clock = StageClock()
    for _ in range(2):
        with clock.stage("network"):
            pass
    assert clock.seconds["network"] > 0
    assert clock.seconds["track"] == 0


@pytest.mark.parametrize(("away", "expected"), [([], [1, 1]), ([None] * 6, [1, 2])])
def test_ids_outlast_a_short_drop_out_of_the_camera_and_end_with_a_long_one(away, expected):
    image = next(frames(1)).image
    times = [Fraction(index, 25) for index in range(10)]
    source = PaperSource([*times, dropped()], *away, times, image=lambda time: image)
    results = list(segment_frames(source, BrightSquare(), SegmentOptions(), tracker=MaskTracker()))
    ids = [result.instances.track_ids.tolist() for result in results]
    assert ids == [[expected[0]]] * 10 + [[expected[1]]] * 10
    assert float(results[10].frame.time - results[9].frame.time) == pytest.approx(22.5 if away else 0.5)


@pytest.mark.parametrize(
    ("score", "multi_label", "names"),
    [
        (None, None, ("cat",)),
        (0.5, None, ("cat",)),
        (0.4, None, ("cat", "dog")),
        (0.4, False, ("cat",)),
        (None, True, ("cat", "dog")),
    ],
)
def test_second_names_of_an_object_come_where_they_are_asked_for(score, multi_label, names):
    options = SegmentOptions(score=score, multi_label=multi_label)
    assert next(segment_frames(frames(1), TwoNames(), options)).instances.names == names


def test_followed_objects_have_one_name_whatever_the_score():
    found = list(segment_frames(frames(6), TwoNames(), SegmentOptions(score=0.1), tracker=MaskTracker()))
    assert {name for result in found for name in result.instances.names} == {"cat"}
