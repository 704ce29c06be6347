"""A Python client of `maskweave serve` that returns the library's own types.

::

    with Client("http://127.0.0.1:8000") as client:
        instances = client.segment("street.jpg", score=0.5)
        mask = client.prompt("street.jpg", points=[(60, 40), (90, 40, 0)])
        data = client.export("street.jpg", instances, "cutout", background="blur")
        job = client.video("clip.mp4", save=("overlay", "tracks"))
        for state in job:                       # as the server tells it
            print(state.status, state.frames)
        job.download("results")
        for instances in job.instances():       # one for each frame
            ...
        dataset = client.dataset("street.zip")  # of COCO or YOLO, to be corrected
        for image in dataset:
            dataset.revise(image, client.segment(dataset.image(image.name)))
        dataset.save("corrected.zip")
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import numpy as np

from maskweave.closable import Closable
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.ops.rle import decode_masks, encode_masks
from maskweave.optional import optional
from maskweave.serving.dataset_client import RemoteDataset
from maskweave.types.arrays import Array
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Task

with optional("client", extra="serve"):
    import httpx

Encoded: TypeAlias = str | Path | bytes
"""A file, or the bytes of one."""

_TRACKS = ".tracks.json"
_OVER = ("done", "failed", "cancelled")


class ServerError(MaskWeaveError):
    """The server did not do what was asked: its sentence, and the HTTP ``status``.

    ``retry_after``: seconds after which it may be asked again, or None where that would not help.
    """

    def __init__(self, status: int, detail: str, retry_after: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class JobState:
    """How far a video is; ``results`` are the names of its files."""

    status: str
    frames: int
    frames_total: int | None
    seconds: float
    error: str | None
    warnings: tuple[str, ...] = ()
    results: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.status in _OVER


class Client(Closable):
    """A connection to a server at ``url``; ``token`` where it has one, ``timeout`` in seconds of silence.

    Close it, or use it as a context manager. Methods raise `ServerError`, and `InvalidValue` for an address that is
    none of http or https.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8000", *, token: str | None = None, timeout: float = 120.0
    ) -> None:
        if urlsplit(url).scheme not in ("http", "https"):
            raise InvalidValue(f"url: need an address like http://127.0.0.1:8000, got {url!r}")
        headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def segment(
        self,
        image: Encoded,
        *,
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        model: str | None = None,
        **options: Any,
    ) -> Instances:
        """The objects in an image; of a map ("semantic", "foreground") one for each class, with score 1.

        Arguments as for `maskweave.Segmenter`; ``model`` is a name out of `models`. Further ``options`` are those of
        `maskweave segment` that the server takes for an image: ``tile=640``, ``bands="4,3,2"``.
        """
        query = _query(score=score, classes=",".join(classes) or None, task=task, model=model, **options)
        return _instances(self.post("/v1/segment", "image", image, query).json())

    def prompt(
        self,
        image: Encoded,
        *,
        box: Sequence[float] | None = None,
        points: Sequence[Sequence[float]] = (),
        mask: Masks | None = None,
        model: str | None = None,
    ) -> Masks:
        """The mask of what is pointed at in an image, or ``mask``, that of one object, corrected by points.

        ``box``: x1 y1 x2 y2 in pixels. ``points``: x y on the object, or x y 0 beside it. ``model``: a promptable one
        out of `models`. Raises `InvalidValue` when ``mask`` has not one object.
        """
        if mask is not None and len(mask) != 1:
            raise InvalidValue(f"mask: need that of one object, got {len(mask)}")
        request = {
            "box": None if box is None else list(box),
            "points": [(x, y, int(bool(inside[0])) if inside else 1) for x, y, *inside in points],
            "rle": None if mask is None else encode_masks(mask)[0],
            "model": model,
        }
        found = self.post("/v1/refine", "image", image, request=request).json()["object"]
        height, width = found["rle"]["size"]
        return decode_masks([found["rle"]], (height, width))

    def export(
        self,
        image: Encoded,
        instances: Instances,
        form: str,
        *,
        background: str | None = None,
        opacity: float | None = None,
    ) -> bytes:
        """An image's objects, as they are or as you changed them, as the file of a format ("coco", "cutout", …).

        ``background`` of cut-outs: "transparent", "blur", "#rrggbb" or a color's name. ``opacity`` of overlays.
        """
        options = {"background": background, "opacity": opacity}
        request = {
            "format": form,
            "objects": _exported(instances),
            "options": {name: value for name, value in options.items() if value is not None},
        }
        return self.post("/v1/export", "image", image, request=request).content

    def video(  # noqa: PLR0913 - each is a choice of the caller
        self,
        video: Encoded,
        *,
        save: Sequence[str] = ("overlay", "tracks"),
        score: float | None = None,
        classes: Sequence[str] = (),
        task: Task | None = None,
        every: int = 1,
        lines: Sequence[str] = (),
        zones: Sequence[str] = (),
        model: str | None = None,
        masks: Mapping[int, Array] | None = None,
        **options: Any,
    ) -> RemoteJob:
        """Begin to segment a video; iterate over the job to watch it. Arguments as for `maskweave segment`.

        ``lines`` "x1,y1,x2,y2=name" and ``zones`` "x1,y1,x2,y2,x3,y3=name" count objects; the format "tracks" has the
        counts. Further ``options`` are those of `maskweave segment` that the server takes for a video:
        ``tracker="botsort"``, ``trail=2``, ``save=("cutout",), background="blur"``; with ``box=["1,2,30,40"]`` or
        ``point=["5,6"]``, in ``frame=0``, what is marked is followed. So are the objects of ``masks``: (H, W)
        integers by the numbers of their frames, 0 is background, every other number an object.
        """
        request = None if masks is None else {"masks": [_marked(frame, ids) for frame, ids in masks.items()]}
        query = _query(
            save=",".join(save),
            score=score,
            classes=",".join(classes) or None,
            task=task,
            every=every,
            line=list(lines) or None,
            zone=list(zones) or None,
            model=model,
            **options,
        )
        answer = self.post("/v1/videos", "video", video, query, request=request)
        return RemoteJob(self, answer.json()["id"])

    def job(self, job_id: str) -> RemoteJob:
        """A job that was begun before."""
        return RemoteJob(self, job_id)

    def dataset(self, path: str | Path) -> RemoteDataset:
        """Open a data set of COCO or YOLO, a folder or a zip, to read and correct its labels.

        Its images stay here; the server is told their names and sizes. Raises `InvalidValue` where there is none.
        """
        return RemoteDataset(self, path)

    def models(self) -> list[dict[str, Any]]:
        """The models that the server knows; "here" tells whether it has them."""
        found: list[dict[str, Any]] = self.get("/v1/models").json()
        return found

    def get(self, path: str) -> httpx.Response:
        """Ask for a path of the server; raises `ServerError` where the answer is an error."""
        return _checked(self._http.get(path))

    def stream(self, path: str, accept: str = "*/*") -> Any:
        """A context manager whose answer is read piece by piece."""
        return self._http.stream("GET", path, headers={"accept": accept})

    def delete(self, path: str) -> None:
        """Delete what is at a path of the server."""
        _checked(self._http.delete(path))

    def post(
        self,
        path: str,
        field_name: str,
        data: Encoded,
        query: _Query | None = None,
        *,
        request: dict[str, Any] | None = None,
    ) -> httpx.Response:
        """Send a file in a field of a form, with ``request`` beside it as JSON; raises as `get` does."""
        form = {} if request is None else {"request": json.dumps(request)}
        if isinstance(data, bytes):
            return _checked(self._http.post(path, params=query, files={field_name: data}, data=form))
        with Path(data).open("rb") as file:
            return _checked(self._http.post(path, params=query, files={field_name: file}, data=form))

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


@dataclass
class RemoteJob:
    """A video on the server. Iterating yields its `JobState` at each change, until it is over."""

    client: Client
    id: str
    state: JobState | None = field(default=None, init=False)

    def __iter__(self) -> Iterator[JobState]:
        with self.client.stream(f"/v1/jobs/{self.id}/events", "text/event-stream") as answer:
            if answer.status_code != httpx.codes.OK:
                answer.read()
                _checked(answer)
            for line in answer.iter_lines():
                if line.startswith("data:"):
                    self.state = _state(json.loads(line[len("data:") :]))
                    yield self.state

    def refresh(self) -> JobState:
        """How far it is now."""
        self.state = _state(self.client.get(f"/v1/jobs/{self.id}").json())
        return self.state

    def wait(self) -> JobState:
        """Wait until it is over; raises `ServerError` when it failed or was cancelled."""
        state = self.state or self.refresh()
        if not state.is_over:
            for state in self:  # noqa: B007 - the last one counts
                pass
        if state.status != "done":
            raise ServerError(500, f"job: {state.error or state.status}")
        return state

    def download(self, folder: str | Path) -> list[Path]:
        """Wait, and write all results into a folder; returns the files."""
        target = Path(folder)
        target.mkdir(parents=True, exist_ok=True)
        files = []
        for name in self.wait().results:
            path = target / PurePath(name).name  # what a server says is no path of ours
            with self.client.stream(self._result(name)) as answer, path.open("wb") as file:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    _checked(answer)
                file.writelines(answer.iter_bytes())
            files.append(path)
        return files

    def instances(self) -> Iterator[Instances]:
        """Wait, and yield the objects of each frame with their ``track_ids``; needs ``save`` with "tracks"."""
        names = [name for name in self.wait().results if name.endswith(_TRACKS)]
        if not names:
            raise InvalidValue("instances: need a job with tracks among its results; pass save=('tracks',)")
        yield from _frames(self.client.get(self._result(names[0])).json())

    def cancel(self) -> None:
        """Cancel it, or remove its results."""
        self.client.delete(f"/v1/jobs/{self.id}")

    def _result(self, name: str) -> str:
        return f"/v1/jobs/{self.id}/results/{name}"


_Query: TypeAlias = dict[str, str | list[str]]


def _query(**choices: object) -> _Query:
    """What was chosen, as a query; a list repeats its name."""
    return {
        name: value if isinstance(value, list) else str(value)
        for name, value in choices.items()
        if value is not None
    }


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    try:
        detail = str(answer.json()["detail"])
    except (ValueError, KeyError, TypeError):
        detail = f"the server answered {answer.status_code} {answer.reason_phrase}"
    wait = answer.headers.get("retry-after", "")
    raise ServerError(answer.status_code, detail, float(wait) if wait.isdigit() else None)


def _state(answer: dict[str, Any]) -> JobState:
    return JobState(
        status=answer["status"],
        frames=answer["frames"],
        frames_total=answer["frames_total"],
        seconds=answer["seconds"],
        error=answer["error"],
        warnings=tuple(answer["warnings"]),
        results=tuple(each["name"] for each in answer["results"]),
    )


def _instances(answer: dict[str, Any]) -> Instances:
    """The objects of an answer of /v1/segment."""
    height, width = answer["size"]
    objects, names = answer["objects"], tuple(answer["class_names"])
    return Instances(
        decode_masks([each["rle"] for each in objects], (height, width)),
        np.array([each["box"] for each in objects], dtype=np.float64).reshape(-1, 4),
        np.array([1.0 if each["score"] is None else each["score"] for each in objects]),
        np.array([names.index(each["class"]) for each in objects], dtype=np.int64),
        names,
    )


def _exported(instances: Instances) -> list[dict[str, Any]]:
    """The objects as /v1/export wants them."""
    ids = range(1, len(instances) + 1) if instances.track_ids is None else instances.track_ids.tolist()
    columns = zip(ids, instances.names, instances.scores, encode_masks(instances.masks), strict=True)
    return [
        {"id": number, "class": name, "score": float(score), "rle": rle}
        for number, name, score, rle in columns
    ]


def _marked(frame: int, ids: Array) -> dict[str, Any]:
    """The objects of an id map as /v1/videos wants them."""
    numbers = [number for number in np.unique(ids).tolist() if number]
    rles = encode_masks(
        Masks.from_dense(np.array([ids == number for number in numbers]).reshape(-1, *ids.shape))
    )
    return {
        "frame": frame,
        "objects": [{"id": number, "rle": rle} for number, rle in zip(numbers, rles, strict=True)],
    }


def _frames(tracks: dict[str, Any]) -> Iterator[Instances]:
    """The objects of each frame of a file in the layout of YouTube-VIS."""
    (video,) = tracks["videos"]
    size = (video["height"], video["width"])
    names = tuple(each["name"] for each in tracks["categories"])
    ids = [each["id"] for each in tracks["categories"]]
    for index in range(video["length"]):
        seen = [each for each in tracks["annotations"] if each["segmentations"][index] is not None]
        masks = (
            decode_masks([each["segmentations"][index] for each in seen], size) if seen else Masks.empty(size)
        )
        corners = np.array([each["bboxes"][index] for each in seen], dtype=np.float64).reshape(-1, 4)
        yield Instances(
            masks,
            np.concatenate([corners[:, :2], corners[:, :2] + corners[:, 2:]], axis=1),
            np.array([each["scores"][index] for each in seen]),
            np.array([ids.index(each["category_id"]) for each in seen], dtype=np.int64),
            names,
            track_ids=np.array([each["track_id"] for each in seen], dtype=np.int64),
        )
