"""Label Studio: predictions before people label, and masks of what they click on, over its protocol for ML backends.

    maskweave label-studio --url http://localhost:8080 --token-file token.txt

Add http://localhost:9090 as a model in the project's settings. The labeling configuration needs an Image with
BrushLabels or PolygonLabels; for clicks and boxes also KeyPointLabels or RectangleLabels with ``smart="true"``. A
label stands for the class of its name, or for those in its ``predicted_values``.
Source: https://labelstud.io/guide/ml_create and the calls in ``label_studio.ml.api_connector``.
"""

from __future__ import annotations

import base64
import binascii
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import numpy as np

from maskweave.annotations.label_studio import result_of
from maskweave.annotations.outlines import Outline
from maskweave.api import Segmenter
from maskweave.errors import InvalidValue, MaskWeaveError, SourceError, UnreadableImage
from maskweave.ops.polygons import masks_to_polygons
from maskweave.types.instances import Instances

_REGIONS = ("brushlabels", "polygonlabels")
_MAX_BYTES = 200_000_000
"""Of an image that is fetched."""
_SECONDS = 30.0
"""Without a byte from Label Studio after which an image cannot be had."""


@dataclass(frozen=True)
class Controls:
    """The controls for images in a labeling configuration.

    Attributes:
        image: Name of the image tag.
        variable: The task's member that holds the image's address.
        names: For "brushlabels" and "polygonlabels" the control's name, where there is one.
        labels: For each class of the model, in lower case, the label that stands for it.
    """

    image: str
    variable: str
    names: Mapping[str, str]
    labels: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def parse(cls, config: str) -> Controls:
        """Read the XML of a configuration; raises `InvalidValue` where it has no image or no control for masks."""
        if "<!" in config.replace("<!--", ""):
            raise InvalidValue("labeling configuration: need plain XML, got a document type")
        try:
            root = ElementTree.fromstring(config)
        except ElementTree.ParseError as error:
            raise InvalidValue(f"labeling configuration: need XML, got none ({error})") from error
        images = {tag.get("name", ""): tag.get("value", "").lstrip("$") for tag in root.iter("Image")}
        for name, variable in images.items():
            own = [tag for tag in root.iter() if tag.get("toName") == name]
            names = {tag.tag.lower(): tag.get("name", "") for tag in own if tag.tag.lower() in _REGIONS}
            if names and variable:
                marks = [mark for tag in own if tag.tag.lower() in _REGIONS for mark in tag.iter("Label")]
                return cls(name, variable, names, _labels(marks))
        raise InvalidValue(
            "labeling configuration: need an Image with BrushLabels or PolygonLabels, got none"
        )


def _labels(tags: Sequence[ElementTree.Element]) -> dict[str, str]:
    """The label for each name that it stands for."""
    found: dict[str, str] = {}
    for tag in tags:
        label = tag.get("value", "")
        for name in (*tag.get("predicted_values", "").split(","), label):
            if name.strip():
                found[name.strip().lower()] = label
    return found


class Backend:
    """Answers the calls of Label Studio.

    Attributes:
        segmenter: What finds the objects.
        fetch: Gives the bytes of an image by its address, see `Fetcher`.
        score: Objects below are left out; None takes the model's own threshold.
    """

    def __init__(
        self, segmenter: Segmenter, fetch: Callable[[str], bytes], *, score: float | None = None
    ) -> None:
        self.segmenter, self.fetch, self.score = segmenter, fetch, score

    @property
    def version(self) -> str:
        """What predictions are called in Label Studio."""
        return f"MaskWeave {self.segmenter.name}"

    def answer(self, path: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to a call; raises `InvalidValue` for one that is unknown or makes no sense."""
        calls: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
            "predict": self._predict,
            "setup": self._setup,
            "validate": lambda request: self._checked(request.get("config")),
            "health": lambda request: {"status": "UP", "model_class": "MaskWeave"},
            "": lambda request: {"status": "UP", "model_class": "MaskWeave"},
            "versions": lambda request: {"versions": [self.version]},
            "train": lambda request: {},  # masks are not learned from here: see maskweave train
            "webhook": lambda request: {},
        }
        name = path.strip("/")
        if name not in calls:
            raise InvalidValue(f"{path}: need one of /predict, /setup, /validate, /health, got another")
        return calls[name](request)

    def _setup(self, request: Mapping[str, Any]) -> dict[str, Any]:
        self._checked(request.get("schema"))
        return {"model_version": self.version}

    def _checked(self, config: object) -> dict[str, Any]:
        Controls.parse(_text(config, "labeling configuration"))
        return {"status": "ok"}

    def _predict(self, request: Mapping[str, Any]) -> dict[str, Any]:
        controls = Controls.parse(_text(request.get("label_config"), "label_config"))
        tasks, params = request.get("tasks"), request.get("params")
        if not isinstance(tasks, list) or not all(isinstance(each, dict) for each in tasks):
            raise InvalidValue("predict: need a list of tasks, got something else")
        context = params.get("context") if isinstance(params, dict) else None
        marked = context.get("result") if isinstance(context, dict) else None
        return {"results": [self._prediction(task, controls, marked or []) for task in tasks]}

    def _prediction(self, task: Mapping[str, Any], controls: Controls, marked: Any) -> dict[str, Any]:
        """One task's regions; an image that cannot be had has none, and ``error`` says why."""
        data = task.get("data")
        address = data.get(controls.variable) if isinstance(data, dict) else None
        try:
            image = self.fetch(_text(address, f"the task's {controls.variable}"))
            found = self._pointed_at(image, controls, marked) if marked else self._all(image, controls)
        except MaskWeaveError as error:
            return {"result": [], "score": 0.0, "model_version": self.version, "error": str(error)}
        score = float(np.mean([region["score"] for region in found])) if found else 0.0
        return {"result": found, "score": score, "model_version": self.version}

    def _all(self, image: bytes, controls: Controls) -> list[dict[str, Any]]:
        found = self.segmenter(image, score=self.score).instances
        names = found.names
        rows = [row for row in range(len(found)) if names[row].lower() in controls.labels]
        return [
            _region(found[row], str(row + 1), controls, controls.labels[names[row].lower()]) for row in rows
        ]

    def _pointed_at(self, image: bytes, controls: Controls, marked: Any) -> list[dict[str, Any]]:
        """What clicks and boxes mean, with the label that they were made with."""
        boxes, points, label = _prompt(marked)
        found = self.segmenter.prompt(image, boxes=boxes, points=points).instances
        label = label or next(iter(controls.labels.values()), "object")
        return [_region(each, f"marked-{row}", controls, label) for row, each in enumerate(found)]


def _region(instance: Instances, key: str, controls: Controls, label: str) -> dict[str, Any]:
    """An object as a brush, where the project has that; else as a polygon of its largest part."""
    outline = None
    if "brushlabels" not in controls.names:
        (parts,) = masks_to_polygons(instance.masks)
        main_part = sorted(parts, key=lambda part: -np.ptp(part.exterior, axis=0).prod())[:1]
        outline = Outline(tuple(type(part)(part.exterior) for part in main_part))
    return result_of(
        instance, key, outline=outline, control=controls.names, label=label, image=controls.image
    )


def _prompt(marked: Any) -> tuple[list[list[float]], list[list[float]], str]:
    """Boxes and points in pixels, and the label, of what was marked; raises `InvalidValue` for nonsense."""
    boxes, points, label = [], [], ""
    try:
        for region in marked:
            value, (width, height) = region["value"], (region["original_width"], region["original_height"])
            x, y = value["x"] * width / 100, value["y"] * height / 100
            kind = str(region["type"])
            if kind.startswith("rectangle"):
                right, bottom = value["width"] * width / 100, value["height"] * height / 100
                boxes.append([x, y, x + right, y + bottom])
            else:
                points.append([x, y] if int(region.get("is_positive", 1)) else [x, y, 0])
            labels = value.get(kind) or value.get("labels") or [""]
            label = label or str(labels[0])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InvalidValue(
            f"predict: need regions of points and rectangles in the context, got others ({error})"
        ) from error
    return boxes, points, label


def _text(value: object, what: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise InvalidValue(f"{what}: need a text, got {type(value).__name__}")
    return value


class Fetcher:
    """Gets images from Label Studio, and from nowhere else unless ``anywhere``.

    Args:
        url: Of Label Studio.
        token: A user's token, a legacy one or a personal one; "" for none.
        anywhere: Follow addresses of other servers as well, without the token.
    """

    def __init__(self, url: str, token: str = "", *, anywhere: bool = False) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise InvalidValue(f"--url: need Label Studio's http or https address, got {url!r}")
        self._root = url.rstrip("/") + "/"
        self._origin, self._token, self._anywhere = parts[:2], token, anywhere

    def __call__(self, address: str) -> bytes:
        """The bytes at an address of a task; raises `SourceError` where they cannot be had."""
        if address.startswith("data:"):
            return _embedded(address)
        whole = urllib.parse.urljoin(self._root, address)
        parts = urllib.parse.urlsplit(whole)
        own = parts[:2] == self._origin
        if not own and (parts.scheme not in ("http", "https") or not self._anywhere):
            raise UnreadableImage(
                f"{address[:200]}: need an image on {self._root}; --allow-urls lets other servers be asked"
            )
        try:
            return self._read(whole, self._authorization() if own and self._token else None)
        except (OSError, ValueError) as error:
            raise UnreadableImage(
                f"{address[:200]}: cannot be fetched ({error}); check --url and the token"
            ) from error

    def _authorization(self) -> str:
        """The header for a token; a personal one (a JWT) is exchanged for one that lasts some minutes."""
        if self._token.count(".") != 2:
            return f"Token {self._token}"
        body = json.dumps({"refresh": self._token}).encode()
        request = urllib.request.Request(
            f"{self._root}api/token/refresh", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return f"Bearer {json.loads(answer.read(_MAX_BYTES))['access']}"

    def _read(self, address: str, authorization: str | None) -> bytes:
        headers = {} if authorization is None else {"Authorization": authorization}
        request = urllib.request.Request(address, headers=headers)
        opener = urllib.request.build_opener(_SameOrigin(self._origin if not self._anywhere else None))
        with opener.open(request, timeout=_SECONDS) as answer:
            data: bytes = answer.read(_MAX_BYTES + 1)
        if len(data) > _MAX_BYTES:
            raise SourceError(
                f"{address[:200]}: need an image of at most {_MAX_BYTES:,} bytes, got a larger one"
            )
        return data


class _SameOrigin(urllib.request.HTTPRedirectHandler):
    """Follows redirects within one origin; None follows them anywhere. The token goes to its origin alone."""

    def __init__(self, origin: Sequence[str] | None) -> None:
        self._origin = origin

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """The request that follows; raises `URLError` where it would lead elsewhere."""
        parts = urllib.parse.urlsplit(newurl)
        if self._origin is not None and tuple(parts[:2]) != tuple(self._origin):
            raise urllib.error.URLError(f"it leads to {parts.netloc}")
        following = super().redirect_request(req, fp, code, msg, headers, newurl)
        if following is not None and parts.netloc != urllib.parse.urlsplit(req.full_url).netloc:
            following.remove_header("Authorization")
        return following


def _embedded(address: str) -> bytes:
    """The bytes of an image that is its own address."""
    try:
        return base64.b64decode(address.partition(",")[2], validate=True)
    except binascii.Error as error:
        raise UnreadableImage(f"{address[:40]}…: need base64 ({error})") from error
