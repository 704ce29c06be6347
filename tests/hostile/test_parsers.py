"""Whatever stands in a file that others made: our readers give records or our typed errors, in one line."""

import copy
import json
import random
import re
import struct
import zipfile
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from maskweave.errors import InvalidValue
from maskweave.ops.polygons import Polygon, fill_polygons
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.types import Masks
from tests.hostile.corpus import encoded
from tests.hostile.parsers import HARD, PARSERS, mutated

BY_NAME = {parser.name: parser for parser in PARSERS}
JSON = [BY_NAME["coco"], BY_NAME["labelme"]]


@pytest.fixture(params=PARSERS, ids=lambda parser: parser.name)
def parser(request):
    with request.param.folder() as folder:
        yield request.param, folder


def test_a_valid_file_is_read(parser):
    reader, folder = parser
    assert reader.holds(reader.valid, folder) == ""


def test_changed_files_give_records_or_typed_errors(parser):
    reader, folder = parser

    def held(seed):
        return reader.holds(mutated(reader.valid, random.Random(seed)), folder)

    answers = {held(seed) for seed in range(120)}
    assert len(answers) > 1
    # Some are refused; that all are would be no test of the rest. Of a short file few changes do no harm.
    assert reader.sealed or "" in answers or any(held(seed) == "" for seed in range(120, 2000))


def test_files_that_end_anywhere_give_records_or_typed_errors(parser):
    reader, folder = parser
    for percent in range(100):
        reader.holds(reader.valid[: len(reader.valid) * percent // 100], folder)


def test_hard_pieces_alone_are_no_file(parser):
    reader, folder = parser
    for piece in HARD:
        reader.holds(piece, folder)
        reader.holds(piece * 3 + b"\n", folder)


values = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
        st.sampled_from([10**400, -(2**63), 2**64, 1e308, "a" * 5000, "\ud800", "\0", "../a.png", [], {}]),
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip


def places(document, at=()):
    """The path of every value in a JSON document."""
    yield at
    if isinstance(document, dict | list):
        for key in document if isinstance(document, dict) else range(len(document)):
            yield from places(document[key], (*at, key))


def exchanged(document, at, value):
    """The document with another value at one place."""
    if not at:
        return value
    changed = copy.deepcopy(document)
    here = changed
    for key in at[:-1]:
        here = here[key]
    here[at[-1]] = value
    return changed


@pytest.mark.parametrize("reader", JSON, ids=lambda parser: parser.name)
def test_any_value_anywhere_in_json_gives_records_or_typed_errors(reader):
    document = json.loads(reader.valid)
    with reader.folder() as folder:

        @settings(max_examples=80)
        @given(st.sampled_from(list(places(document))), values)
        def holds(at, value):
            reader.holds(json.dumps(exchanged(document, at, value)).encode(), folder)

        holds()


IMAGES = [parser for parser in PARSERS if parser.file.endswith(".png")]


MODES = ["1", "L", "P", "LA", "RGB", "RGBA", "I;16", "JPEG", "palette without colors"]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("reader", IMAGES, ids=lambda parser: parser.name)
def test_whole_images_of_any_kind_give_records_or_typed_errors(reader, mode):
    """Changed bytes seldom get past the checksums of a PNG, so each kind of pixel is tried as a whole file."""
    with reader.folder() as folder:
        for width, height in ((16, 12), (12, 16), (1, 1), (300, 2)):
            values = np.random.default_rng(3).integers(0, 256, (height, width, 4), dtype=np.uint8)
            if mode == "I;16":
                image = Image.fromarray(values.astype(np.uint16)[..., 0] * 257)
            elif mode == "palette without colors":
                gray = Image.fromarray(values[..., 0])
                image = gray.convert("P", palette=Image.Palette.ADAPTIVE, colors=2)
            else:
                image = Image.fromarray(values, "RGBA").convert("RGB" if mode == "JPEG" else mode)
            reader.holds(encoded(image, "JPEG" if mode == "JPEG" else "PNG"), folder)


STRANGE = [
    np.array("x"), np.array(-1), np.array(2**63, np.uint64), np.array(np.nan), np.zeros(0), np.zeros((2, 2, 2)),
    np.full((3, 2), 2**32), np.full(3, 1e300), np.array([[0, 0], [1, 1], [-1, 5]]), np.array(["a", "b", "c"]),
    np.zeros(3, bool), np.array([1 + 2j] * 3), np.array(["2020-01-01"] * 3, "datetime64[D]"), np.zeros(3, "V4"),
    np.array([2**62, 2**62, 7]), np.array([b"\xff"] * 3), np.full((3, 4), np.inf),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(STRANGE)))
def test_any_array_in_an_archive_gives_records_or_typed_errors(number):
    reader = BY_NAME["npz-npz"]
    with np.load(BytesIO(reader.valid)) as loaded:
        arrays = {name: loaded[name] for name in loaded.files}
    arrays |= {
        "time": np.array(1.0),
        "class_map": np.zeros((12, 16), np.uint8),
        "class_map_names": np.array(["a"]),
    }
    with reader.folder() as folder:
        for name in arrays:
            buffer = BytesIO()
            np.savez(buffer, **arrays | {name: STRANGE[number]})
            reader.holds(buffer.getvalue(), folder)


@pytest.mark.parametrize("promised", [10**13, 10**18])
def test_an_archive_that_promises_more_than_it_holds(promised):
    reader = BY_NAME["npz-npz"]
    buffer = BytesIO()
    with zipfile.ZipFile(BytesIO(reader.valid)) as whole, zipfile.ZipFile(buffer, "w") as changed:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "bits.npy":
                begin, end = content.index(b"("), content.index(b"}")
                said = b"(%d,)" % promised
                content = (
                    content[:begin]
                    + said
                    + content[end : end + 1]
                    + content[end + 1 + len(said) - (end - begin) :]
                )
            changed.writestr(name, content)
    with reader.folder() as folder:
        assert reader.holds(buffer.getvalue(), folder)


# What was found by the above, each once: it must stay found without luck.

OBJECT = {"id": 1, "image_id": 1, "category_id": 1}


def coco(*annotations, **image):
    document = json.loads(BY_NAME["coco"].valid)
    document["images"][0] |= image
    document["annotations"] = [OBJECT | each | {"id": number} for number, each in enumerate(annotations)]
    return json.dumps(document).encode()


def labelme(shape, **more):
    return json.dumps(json.loads(BY_NAME["labelme"].valid) | {"shapes": [shape]} | more).encode()


def cvat(shape):
    text = BY_NAME["cvat"].valid
    return text[: text.index(b"<polygon")] + shape + b"</image></annotations>"


def rle(*counts, size=(12, 16)):
    return {"segmentation": {"size": size, "counts": list(counts)}}


FOUND = {
    "coco-track": ("coco", coco({"track_id": 2**70})),
    "coco-time": ("coco", coco({}, time_seconds=10**400)),
    "coco-time-of-text": ("coco", coco({}, time_seconds="soon")),
    "coco-frame": ("coco", coco({}, frame_index=-1)),
    "coco-name": ("coco", coco({}, file_name="a" * 5000)),
    "coco-runs-beyond-64-bits": ("coco", coco(rle(2**62, 2**62, 2**62, 2**62, 100, 92))),
    "coco-runs-of-lists": ("coco", coco(rle([1, 2], [3, 4]))),
    "coco-runs-of-a-number": ("coco", coco({"segmentation": {"size": [12, 16], "counts": 5}})),
    "coco-size-of-a-number": ("coco", coco(rle(1, 2, size=5))),
    "coco-large": ("coco", coco(rle(0, 10**12, size=(10**6, 10**6)), height=10**6, width=10**6)),
    "labelme-number": ("labelme", labelme(5)),
    "labelme-far": ("labelme", labelme({"label": "a", "points": [[10**400, 1], [2, 2], [3, 3]]})),
    "labelme-mask": (
        "labelme",
        labelme({"label": "a", "shape_type": "mask", "points": [[1e300, 1], [2, 2]], "mask": "AAAA"}),
    ),
    "labelme-large": (
        "labelme",
        labelme({"label": "a", "points": [[0, 0], [1e5, 0], [1e5, 1e5]]}, imageHeight=10**5, imageWidth=10**5),
    ),
    "cvat-encoding": ("cvat", b'<?xml version="1.0" encoding="klingon"?><annotations/>'),
    "cvat-wide-encoding": ("cvat", b'<?xml version="1.0" encoding="shift-jis"?><annotations/>'),
    "cvat-frame": ("cvat", BY_NAME["cvat"].valid.replace(b'frame="1"', b'frame="%s"' % (b"9" * 5000))),
    "cvat-track": ("cvat", BY_NAME["cvat"].valid.replace(b'id="3"', b'id="%s"' % (b"9" * 30))),
    "cvat-infinite": ("cvat", cvat(b'<box label="cat" xtl="1e999" ytl="1" xbr="9" ybr="8" rotation="3"/>')),
    "cvat-turn": ("cvat", cvat(b'<box label="cat" xtl="1" ytl="1" xbr="9" ybr="8" rotation="inf"/>')),
    "cvat-runs": (
        "cvat",
        cvat(b'<mask label="cat" rle="%d,4" left="1" top="1" width="4" height="2"/>' % (10**30)),
    ),
    "cvat-runs-beyond-64-bits": (
        "cvat",
        cvat(
            b'<mask label="cat" rle="%d,%d,%d,%d,8" left="1" top="1" width="4" height="2"/>' % ((2**62,) * 4)
        ),
    ),
    "yolo-nul": ("yolo-yaml", b'path: "a\\0b"\ntrain: images\nnames: [cat]\n'),
    "yolo-long": ("yolo-yaml", b"train: " + b"a" * 5000 + b"\nnames: [cat]\n"),
    "yolo-date": ("yolo-yaml", b"train: images\nnames: [2021-99-99]\n"),
    "yolo-tag": ("yolo-yaml", b"train: images\nnames: !!int ''\n"),
    "yolo-deep": ("yolo-yaml", b"[" * 50_000),
    "yolo-list-of-bytes": ("yolo-yaml", b"train: a.png\nnames: [cat]\n"),
    "yolo-folder": ("yolo-yaml", b"train: [[images]]\nnames: [cat]\n"),
    "yolo-class": ("yolo-labels", b"9" * 5000 + b" 0.1 0.1 0.2 0.2\n"),
    "labelmap-bytes": ("cvat-masks-labelmap", b"background:0,0,0::\n\xff:1,2,3::\n"),
    "geojson-class": (
        "geojson-geojson",
        BY_NAME["geojson-geojson"].valid.replace(b'"class":', b'"glass":'),
    ),
    "geojson-infinite": (
        "geojson-geojson",
        re.sub(rb"\[\[\[[0-9.]+", b"[[[1e999", BY_NAME["geojson-geojson"].valid, count=1),
    ),
    "results-class": ("coco-results-json", b'[{"image_id": 1, "category_id": {}, "score": 1}]'),
    "geojson-score": (
        "geojson-geojson",
        BY_NAME["geojson-geojson"].valid.replace(b'"score": 0.5', b'"score": null'),
    ),
    "geojson-track": (
        "geojson-geojson",
        BY_NAME["geojson-geojson"].valid.replace(b'"track_id": 7', b'"track_id": 9' + b"0" * 30),
    ),
    "mots-size": ("mots-txt", BY_NAME["mots-txt"].valid.replace(b" 12 16 ", b" 9" + b"0" * 400 + b" 16 ")),
    "mots-class": ("clips-text", b"3 1 " + b"9" * 5000 + b" 12 16 d0n0^4\n"),
    "truth-area": ("coco-truth", BY_NAME["coco-truth"].valid.replace(b'"area": 64', b'"area": null')),
    "clips-length": ("clips-json", BY_NAME["clips-json"].valid.replace(b'"length": ', b'"length": 1e999, "x": ')),
    "davis-head": (
        "davis-png",
        BY_NAME["davis-png"].valid[:8] + struct.pack(">I", 3) + b"IHDR" + BY_NAME["davis-png"].valid[16:],
    ),
    "matroska-far": ("matroska", BY_NAME["matroska"].valid[:4] + b"\x01\x7f" + b"\xff" * 6),
    "geojson-time": (
        "geojson-geojson",
        re.sub(rb'"time": [0-9.]+', b'"time": 1' + b"0" * 400, BY_NAME["geojson-geojson"].valid),
    ),
    "supervisely-place": (
        "supervisely-json",
        BY_NAME["supervisely-json"].valid.replace(b'"origin": [', b'"origin": [1e999], "x": ['),
    ),
    "truth-deep": ("coco-truth", b"[" * 50_000),
    "predictions-deep": ("coco-predictions", b"[" * 50_000),
    "clips-deep": ("clips-json", b'{"videos":' + b"[" * 50_000),
    "names-infinite": ("class-names", b'{"cat": 1e999, "dog": 2}'),
    "sidecar-long": ("sidecar", b"size = " + b"9" * 5000),
    "sidecar-scale": ("sidecar", b"[preprocessing]\nscale = 1" + b"0" * 400),
}  # fmt: skip


@pytest.mark.parametrize("name", FOUND)
def test_what_was_found_once(name):
    kind, data = FOUND[name]
    reader = BY_NAME[kind]
    assert data != reader.valid
    with reader.folder() as folder:
        reader.holds(data, folder)


def test_a_knot_of_aliases_is_not_untied():
    """Nine levels of ten references: as text a gigabyte."""
    levels = [b"a0: &a0 [x,x,x,x,x,x,x,x,x,x]"]
    levels += [b"a%d: &a%d [%s]" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 10)]
    reader = BY_NAME["yolo-yaml"]
    with reader.folder() as folder:
        for key in (b"names", b"train", b"path"):
            others = {b"names": b"[cat]", b"train": b"images", b"path": b"."} | {key: b"*a9"}
            lines = [b"%s: %s" % item for item in others.items()]
            told = reader.holds(b"\n".join(levels + lines), folder)
            assert len(told) < 300
            assert bool(told) == (key != b"path")


@pytest.mark.parametrize(
    "counts", [[2**62] * 4 + [100, 92], [-1, 193], [2**64], [1.5, 190.5], ["1", "191"], 7, None]
)
def test_run_lengths_that_are_none_are_refused(counts):
    with pytest.raises(InvalidValue, match="rle 0: need"):
        decode_masks([{"size": [12, 16], "counts": counts}], (12, 16))


def test_one_object_takes_no_more_than_a_gigabyte():
    side = 10**5
    runs = [side * 10, side * side - side * 20, side * 10]
    with pytest.raises(InvalidValue, match="need an object of at most"):
        decode_masks([{"size": [side, side], "counts": runs}], (side, side))
    square = Polygon(np.array([[0, 0], [side, 0], [side, side]], np.float64))
    with pytest.raises(InvalidValue, match="need an object of at most"):
        fill_polygons([square], (side, side))
    small = Masks([np.ones((5, 4), bool)], [(side - 4, side - 5)], (side, side))
    (again,) = decode_masks(encode_masks(small), small.size).crops
    assert again.tolist() == np.ones((5, 4), bool).tolist()


@pytest.mark.parametrize("far", [1e13, -1e300, 1e308])
def test_points_that_are_nowhere_are_refused(far):
    with pytest.raises(InvalidValue, match="need points in pixels"):
        fill_polygons([Polygon(np.array([[0, 0], [far, 0], [3, 3]]))], (12, 16))
