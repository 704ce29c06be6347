"""Every feature through every door: Python, the command line, HTTP and batch give the same.

A row is a feature. Each door is asked for it in its own words and must give what the run itself gives; that must
differ from what comes without the feature, so that a door which ignores it is seen.
"""

import io
import json
import sys
from contextlib import closing
from dataclasses import dataclass, field

import numpy as np
import pytest
from PIL import Image
from typer.main import get_command

import maskweave as mw
from maskweave.cli import main
from maskweave.cli.app import app
from maskweave.ops.rle import encode_masks
from maskweave.options import Request
from maskweave.outputs.overlay import OverlayStyle
from maskweave.run import stream
from maskweave.sources.find import find_sources
from maskweave.sources.raster_options import RasterOptions
from tests.batch.jobs import do, inline, job_for
from tests.clips import Clip, write_clip
from tests.models.tiny import save_tiny_model
from tests.serving.conftest import running_server
from tests.sources.dicoms import dicom, save
from tests.sources.rasters import write_tiff


@dataclass(frozen=True)
class Feature:
    """Options by their names, the input they are for, and Python's words where they are others."""

    options: dict
    source: str = "photo.png"
    python: dict | None = None
    call: str = ""

    def __str__(self):
        return f"{'-'.join(self.options)} of {self.source}"


PHOTOS = [
    Feature({"score": 0.95}),
    Feature({"classes": "dog"}, python={"classes": ["dog"]}),
    Feature({"task": "semantic"}),
    Feature({"task": "foreground"}),
    Feature({"tile": 64}),
    Feature({"tile": 64, "overlap": 0.5}),
    Feature({"box": ["8,8,45,45"]}, python={"boxes": [(8, 8, 45, 45)]}, call="prompt"),
    Feature({"point": ["25,25", "110,75,0"]}, python={"points": [(25, 25), (110, 75, 0)]}, call="prompt"),
    Feature({"bands": "2"}, "bands.tif", python={"raster_options": RasterOptions(bands=(2,))}),
    Feature({"stretch": "0,50"}, "ramp.tif", python={"raster_options": RasterOptions(stretch=(0, 50))}),
    Feature({"window": "900,50"}, "slice.dcm", python={"raster_options": RasterOptions(window=(900, 50))}),
]
VIDEOS = [
    Feature({"track": False}, "clip.mp4", python={"tracker": None}),
    Feature({"tracker": "bytetrack"}, "clip.mp4"),
    Feature({"every": 3}, "clip.mp4"),
    Feature({"score": 0.95}, "clip.mp4"),
    Feature({"tile": 64}, "clip.mp4"),
    Feature({"line": ["50,0,50,96=gate"]}, "clip.mp4", python={"lines": ["50,0,50,96=gate"]}),
    Feature(
        {"line": ["100,0,100,96=gate"], "drawn_on": "256x96"},
        "clip.mp4",
        python={"lines": ["50,0,50,96=gate"]},
    ),
    Feature({"zone": ["0,0,128,0,128,96"]}, "clip.mp4", python={"zones": [(0, 0, 128, 0, 128, 96)]}),
    Feature({"box": ["8,26,42,62"]}, "clip.mp4", python={"boxes": [(8, 26, 42, 62)]}, call="propagate"),
    Feature(
        {"point": ["20,40"], "frame": 2, "score": 0.5},
        "clip.mp4",
        python={"points": [(20, 40)], "frame": 2, "score": 0.5},
        call="propagate",
    ),
]
LOOKS = [
    Feature({"opacity": 0.9}, "clip.mp4"),
    Feature({"color_by": "class"}, "clip.mp4", python={"color_by": "class"}),
    Feature({"trail": 1.0}, "clip.mp4"),
    Feature({"every": 3}, "clip.mp4"),
]
CUTOUTS = [Feature({"background": "teal"}), Feature({"refine_edges": True})]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """One input of each kind; in the video a square moves right, grows, and another one comes."""
    folder = tmp_path_factory.mktemp("inputs")
    photo = np.zeros((100, 150, 3), np.uint8)
    photo[12:41, 12:41] = photo[60:90, 90:131] = 255
    Image.fromarray(photo).save(folder / "photo.png")
    bands = np.zeros((3, 64, 64), np.uint8)
    for number, band in enumerate(bands):
        band[10:30, 10 + 15 * number : 20 + 15 * number] = 255
    write_tiff(folder / "bands.tif", bands)
    ramp = np.tile(np.linspace(0, 4000, 64).astype(np.uint16), (1, 64, 1))
    write_tiff(folder / "ramp.tif", ramp)
    save(folder / "slice.dcm", dicom(ramp[0].astype(np.int16)))
    images = []
    for number in range(8):
        image = np.zeros((96, 128, 3), np.uint8)
        image[30 : 58 + 2 * number, 12 + 4 * number : 38 + 6 * number] = 255
        images.append(image)
    write_clip(folder / "clip.mp4", Clip(ticks=tuple(range(8)), size=(96, 128), images=images))
    return folder


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save_tiny_model(tmp_path_factory.mktemp("model") / "tiny.onnx"))


def label_map(image):
    return np.asarray(image).astype(int)


def frames_of(results):
    """(masks, ids, the last counts) of the results of frames."""
    masks, ids, counts = [], [], None
    for result in results:
        instances = result.instances
        masks.append([rle["counts"] for rle in encode_masks(instances.masks)])
        ids.append(None if instances.track_ids is None else instances.track_ids.tolist())
        counts = result.counts
    if counts is None:
        return masks, ids, None
    places = [(each.line.name, each.forward, each.backward) for each in counts.lines]
    return masks, ids, places + [(each.zone.name, each.seen) for each in counts.zones]


def frames_in(folder, stem):
    """The same out of the files that a door wrote."""
    coco = json.loads((folder / f"{stem}.json").read_text())
    masks, ids = [[] for _ in coco["images"]], [None for _ in coco["images"]]
    for each in coco["annotations"]:
        masks[each["image_id"] - 1].append(each["segmentation"]["counts"])
        if "track_id" in each:
            ids[each["image_id"] - 1] = [*(ids[each["image_id"] - 1] or []), each["track_id"]]
    tracks = folder / f"{stem}.tracks.json"
    counts = json.loads(tracks.read_text()).get("counts") if tracks.exists() else None
    if counts is None:
        return masks, ids, None
    lines = [(each["name"], each["forward"], each["backward"]) for each in counts["lines"]]
    return masks, ids, lines + [(each["name"], each["seen"]) for each in counts["zones"]]


def same_frames(one, other):
    """Whether two are equal; a frame without objects has no ids in a file."""
    (masks, ids, counts), (other_masks, other_ids, other_counts) = one, other
    return (
        masks == other_masks
        and [each or None for each in ids] == [each or None for each in other_ids]
        and counts == other_counts
    )


@dataclass
class Reference:
    """The run itself."""

    model: str

    def prediction(self, path, options):
        request = Request.of(**options)
        with mw.load(self.model, tile=request.model.tile, overlap=request.model.overlap) as segmenter:
            (source,) = find_sources([path], raster_options=request.raster_options)
            with source, closing(stream(source, segmenter.model, request)) as results:
                return list(results)

    def photo(self, path, options, tmp_path):
        (result,) = self.prediction(path, options)
        task = options.get("task", "instances")
        name = {"instances": "masks"}.get(task, task)
        mw.Result(result.frame, result.prediction).save(tmp_path / f"reference.{name}.png")
        return label_map(Image.open(tmp_path / f"reference.{name}.png"))

    def video(self, path, options, tmp_path):
        return frames_of(self.prediction(path, options))


@dataclass
class Python:
    model: str

    def load(self, options):
        return mw.load(self.model, **{name: options[name] for name in ("tile", "overlap") if name in options})

    def words(self, feature):
        words = feature.options if feature.python is None else feature.python
        return {name: word for name, word in words.items() if name not in ("tile", "overlap")}

    def photo(self, path, feature, tmp_path):
        with self.load(feature.options) as model:
            result = getattr(model, feature.call or "__call__")(path, **self.words(feature))
        name = {"instances": "masks"}.get(
            feature.options.get("task", "instances"), feature.options.get("task")
        )
        return label_map(Image.open(result.save(tmp_path / f"a.{name}.png")))

    def video(self, path, feature, tmp_path):
        with self.load(feature.options) as model:
            if feature.call == "propagate":
                results = mw.propagate(path, model=model, **self.words(feature))
            else:
                results = model.stream(path, **self.words(feature))
            return frames_of(results)

    def look(self, path, feature, tmp_path):
        words = self.words(feature)
        style = OverlayStyle(**{name: words.pop(name) for name in list(words) if name != "every"})
        with self.load({}) as model:
            mw.segment_video(path, tmp_path / "a.mp4", model=model, style=style, **words)
        return (tmp_path / "a.mp4").read_bytes()

    def cutout(self, path, feature, tmp_path):
        with self.load({}) as model:
            return model(path).cutout(**feature.options)


class Files:
    """A door that writes files into a folder."""

    def photo(self, path, feature, tmp_path):
        task = feature.options.get("task", "instances")
        folder = self.write(path, feature.options | {"save": "masks"}, tmp_path)
        name = {"instances": "masks"}.get(task, task)
        return label_map(Image.open(next(folder.glob(f"*.{name}.png"))))

    def video(self, path, feature, tmp_path):
        counts = {"line", "zone"} & set(feature.options)
        folder = self.write(path, feature.options | {"save": "coco,tracks" if counts else "coco"}, tmp_path)
        return frames_in(folder, next(folder.glob("*[a-z].json")).name.split(".")[0])

    def look(self, path, feature, tmp_path):
        folder = self.write(path, feature.options | {"save": "overlay"}, tmp_path)
        return next(folder.glob("*.overlay.mp4")).read_bytes()

    def cutout(self, path, feature, tmp_path):
        folder = self.write(path, feature.options | {"save": "cutout"}, tmp_path)
        return np.asarray(Image.open(next(folder.glob("*.cutout.png"))))


@dataclass
class CommandLine(Files):
    model: str
    patch: pytest.MonkeyPatch

    def write(self, path, options, tmp_path):
        words = ["maskweave", "segment", str(path), "-m", self.model, "-o", str(tmp_path)]
        for name, value in options.items():
            flag = f"--{name.replace('_', '-')}"
            if isinstance(value, bool):
                words.append(flag if value else f"--no-{name}")
                continue
            for each in value if isinstance(value, list) else [value]:
                words += [flag, str(each)]
        self.patch.setattr(sys, "argv", words)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code
        return tmp_path


@dataclass
class Batch(Files):
    model: str
    patch: pytest.MonkeyPatch

    def write(self, path, options, tmp_path):
        self.patch.setattr("maskweave.batch.run.run_local", inline)
        outcomes = []
        job = job_for(path, tmp_path, self.model, **options)
        do(job, on_outcome=lambda outcome, counts: outcomes.append(outcome))
        assert [outcome.error for outcome in outcomes] == [""]
        return tmp_path


@dataclass
class Http(Files):
    server: object = field(repr=False)

    def photo(self, path, feature, tmp_path):
        answer = self.post("segment", path, feature.options, headers={"accept": "image/png"})
        return label_map(Image.open(io.BytesIO(answer.content)))

    def write(self, path, options, tmp_path):
        with self.server.client() as client:
            answer = self.post("videos", path, options)
            links = answer.json()["links"]
            client.get(links["events"])
            state = client.get(links["self"]).json()
            assert state["error"] is None
            for each in state["results"]:
                (tmp_path / each["name"]).write_bytes(client.get(each["href"]).content)
        return tmp_path

    def cutout(self, path, feature, tmp_path):
        objects = self.post("segment", path, {}).json()["objects"]
        request = {"format": "cutout", "objects": objects, "options": feature.options}
        with self.server.client() as client:
            files = {"image": path.read_bytes(), "request": json.dumps(request)}
            answer = client.post("/v1/export", files=files)
        assert answer.status_code == 200, answer.text
        return np.asarray(Image.open(io.BytesIO(answer.content)))

    def post(self, where, path, options, **more):
        with self.server.client() as client:
            answer = client.post(f"/v1/{where}", params=options, content=path.read_bytes(), **more)
        assert answer.status_code in (200, 202), answer.text
        return answer


@pytest.fixture(scope="module")
def server(model):
    with running_server(model=model) as running:
        yield running


@pytest.fixture(params=["python", "command line", "http", "batch"])
def door(request, model, monkeypatch):
    if request.param == "http":
        return Http(request.getfixturevalue("server"))
    if request.param == "python":
        return Python(model)
    return (CommandLine if request.param == "command line" else Batch)(model, monkeypatch)


@pytest.fixture(scope="module")
def known(model):
    """What the run itself gives, computed once for all doors."""
    reference, answers = Reference(model), {}

    def of(kind, path, options, tmp_path):
        key = kind, path, json.dumps(options)
        if key not in answers:
            answers[key] = getattr(reference, kind)(path, options, tmp_path)
        return answers[key]

    return of


@pytest.mark.parametrize("feature", PHOTOS, ids=str)
def test_images(feature, door, inputs, known, tmp_path):
    path = inputs / feature.source
    expected = known("photo", path, feature.options, tmp_path)
    if "task" not in feature.options:  # one class has the same number as one object
        assert not np.array_equal(expected, known("photo", path, {}, tmp_path))
    np.testing.assert_array_equal(door.photo(path, feature, tmp_path), expected)


@pytest.mark.parametrize("feature", VIDEOS, ids=str)
def test_videos(feature, door, inputs, known, tmp_path):
    if "tracker" in feature.options:
        pytest.importorskip("trackers", reason="the package trackers is not installed")
    path = inputs / feature.source
    expected = known("video", path, feature.options, tmp_path)
    assert not same_frames(expected, known("video", path, {}, tmp_path))
    assert same_frames(door.video(path, feature, tmp_path), expected)


_LOOKS: dict[str, bytes] = {}


@pytest.mark.parametrize("feature", LOOKS, ids=str)
def test_overlays_of_videos(feature, door, inputs, model, tmp_path):
    path = inputs / feature.source
    (tmp_path / "plain").mkdir()
    plain = _LOOKS.setdefault("plain", Python(model).look(path, Feature({}), tmp_path / "plain"))
    made = door.look(path, feature, tmp_path)
    assert made != plain
    assert made == _LOOKS.setdefault(str(feature), made)  # what the first door gave


@pytest.mark.parametrize("feature", CUTOUTS, ids=str)
def test_cut_outs_of_images(feature, door, inputs, model, tmp_path):
    path = inputs / feature.source
    expected = Python(model).cutout(path, feature, tmp_path)
    assert not np.array_equal(expected, Python(model).cutout(path, Feature({}), tmp_path))
    np.testing.assert_array_equal(door.cutout(path, feature, tmp_path), expected)


def commands(group, name=""):
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{name}{word} ")
        else:
            yield f"{name}{word}", command


@pytest.mark.parametrize("name", [name for name, _ in commands(get_command(app))])
def test_every_command_has_json_quiet_and_debug(name):
    command = dict(commands(get_command(app)))[name]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--json", "--quiet", "--debug"} <= flags


def test_propagate_takes_model_device_and_score():
    command = dict(commands(get_command(app)))["propagate"]
    flags = {flag for parameter in command.params for flag in parameter.opts}
    assert {"--model", "--device", "--score", "--line", "--zone", "--window", "--frames"} <= flags
