"""A server that answers as `maskweave serve` does, at once and always the same, and remembers what it was asked.

The page's own files and the content security policy are the real ones. `test_with_server` runs the page against the
real server, so that the two cannot drift apart.
"""

import json
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

import numpy as np

from maskweave.ops.rle import decode_masks
from maskweave.serving.guard import CONTENT_SECURITY_POLICY
from tests.serving.page import scene

PREFIX = "/tools/mask"
STATIC = files("maskweave.serving") / "static"
SAMPLES = files("maskweave") / "samples"
KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".mp4": "video/mp4",
    ".json": "application/json",
    ".csv": "text/csv",
    ".webp": "image/webp",
}


class StandIn:
    """The server's state: what it answers next, and what it was asked."""

    def __init__(self, folder):
        self._folder = folder
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"stand_in": self}))
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.reset()

    def reset(self):
        """Begin anew for another test."""
        self.asked = []  # (method, path, query, form)
        self.result = scene.result()
        self.models = [MODEL]
        self.failure = None  # (status, detail, headers[, kind]) for the next request to /v1/segment
        self.token = None
        self.live = {"sources": [], "streams": False}  # what it shows live
        self.begin = 0  # the second at which the clip begins
        self.playable = None  # what the overlay of a video holds; None: the video that was sent
        self.job = None
        self.ending = (
            "done"  # how the events of a job end: "failed" or, where the connection breaks off, "broken"
        )
        self.gate = threading.Event()  # closed, what takes time waits for it
        self.gate.set()

    def asked_for(self, path):
        """The forms, or queries where there is none, of requests for a path."""
        return [form or query for _, each, query, form in self.asked if each == path]

    def close(self):
        self._server.shutdown()
        self._server.server_close()

    def make_job(self, query, video):
        folder = self._folder
        (folder / "video.overlay.mp4").write_bytes(self.playable or video)
        (folder / "video.csv").write_text("frame\n")
        (folder / "video.tracks.json").unlink(missing_ok=True)
        names = ["video.overlay.mp4", "video.csv"]
        if query.get("task", ["instances"])[0] == "instances":
            drawn_on = query.get("drawn_on", ["128x96"])[0]
            lines, zones = query.get("line", []), query.get("zone", [])
            scene.write_tracks(folder, lines, zones, begin=self.begin, drawn_on=drawn_on)
            names.insert(1, "video.tracks.json")
        self.job = [
            {
                "name": name,
                "media_type": KINDS[PurePosixPath(name).suffix],
                "bytes": (folder / name).stat().st_size,
                "href": f"/v1/jobs/7/results/{name}",
            }
            for name in names
        ]

    def result_file(self, name):
        return (self._folder / name).read_bytes()


def _state(status, frames=0, results=()):
    return {
        "id": "7",
        "status": status,
        "frames": frames,
        "frames_total": scene.FRAMES,
        "seconds": 0.1,
        "error": None,
        "warnings": [],
        "results": list(results),
    }


class _Handler(BaseHTTPRequestHandler):
    stand_in = None
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        """Nothing on stderr."""

    def do_GET(self):
        self._handle()

    def do_POST(self):
        self._handle()

    def do_DELETE(self):
        self._handle()

    def _handle(self):
        state = self.stand_in
        address = urlsplit(self.path.removeprefix(PREFIX))  # what a proxy does that serves it under a path
        self.query = parse_qs(address.query)
        form = self._form()
        if not address.path.startswith("/v1/"):
            self._send_static(address.path)
            return
        state.asked.append((self.command, address.path, self.query, form))
        if state.token and not self._is_known(address.path):
            self._problem(401, "token: need Authorization: Bearer with the server's token")
            return
        route = f"{self.command} {address.path}"
        answers = {
            "GET /v1/formats": lambda: self._json(FORMATS),
            "GET /v1/models": lambda: self._json(state.models),
            "POST /v1/session": self._begin_session,
            "GET /v1/live/sources": lambda: self._json(state.live),
            "GET /v1/live": lambda: self._send(404, b"", "text/plain"),
            "POST /v1/segment": self._segment,
            "POST /v1/refine": lambda: self._refine(form),
            "POST /v1/export": lambda: self._export(form),
            "POST /v1/tracks/export": lambda: self._send(200, form["tracks"], "application/json", ATTACHED),
            "POST /v1/videos/tracks": lambda: self._json({"id": "7", "status": "queued", "links": {}}, 202),
            "POST /v1/videos": lambda: self._start(form),
            "GET /v1/jobs/7": lambda: self._json(_state("done", scene.FRAMES, state.job)),
            "GET /v1/jobs/7/events": self._tell_events,
            "GET /v1/jobs/7/frames": self._send_frames,
            "DELETE /v1/jobs/7": lambda: self._send(204, b"", "text/plain"),
        }
        if address.path.startswith("/v1/jobs/7/results/"):
            self._send_file(address.path.rsplit("/", 1)[1])
        else:
            answers[route]()

    def _is_known(self, path):
        bearer = self.headers.get("Authorization") == f"Bearer {self.stand_in.token}"
        return bearer or (
            path.startswith("/v1/jobs/") and "maskweave_session=1" in self.headers.get("Cookie", "")
        )

    def _form(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        kind = self.headers.get("Content-Type", "")
        if not kind.startswith("multipart/form-data"):
            return {}
        message = BytesParser().parsebytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
        return {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in message.get_payload()
        }

    def _begin_session(self):
        self._send(204, b"", "text/plain", {"Set-Cookie": "maskweave_session=1; Path=/v1/jobs; HttpOnly"})

    def _segment(self):
        state = self.stand_in
        state.gate.wait(60)
        if state.failure:
            failure, state.failure = state.failure, None
            self._problem(*failure)
            return
        self._json(state.result)

    def _refine(self, form):
        """Points add or take away squares of 20 x 20; a box is filled."""
        asked = json.loads(form["request"])
        size = tuple(self.stand_in.result["size"])
        mask = np.zeros(size, bool) if asked["rle"] is None else decode_masks([asked["rle"]], size).dense()[0]
        if asked["box"]:
            x1, y1, x2, y2 = (round(each) for each in asked["box"])
            mask[y1:y2, x1:x2] = True
        for x, y, is_on in asked["points"]:
            left, top = max(0, int(x) - 10), max(0, int(y) - 10)
            mask[top : int(y) + 10, left : int(x) + 10] = bool(is_on)
        self._json({"object": scene.found(mask)})

    def _export(self, form):
        asked = json.loads(form["request"])
        if asked["format"] == "overlay" and not asked["objects"]:
            self._send(200, scene.encoded(scene.image()), "image/png", ATTACHED)
        else:
            self._send(200, form["request"], "application/json", ATTACHED)

    def _start(self, form):
        self.stand_in.make_job(self.query, form["video"])
        self._json({"id": "7", "status": "queued", "links": {}}, 202)

    def _tell_events(self):
        self._head(200, "text/event-stream", {"Connection": "close"})
        self._event("progress", _state("running", 10))
        self.stand_in.gate.wait(60)
        ending = self.stand_in.ending
        if ending == "failed":
            self._event("failed", {**_state("failed", 10), "error": "video: need images of one size"})
        elif ending == "done":
            self._event("done", _state("done", scene.FRAMES, self.stand_in.job))
        self.close_connection = True

    def _send_frames(self):
        lines = "".join(
            json.dumps(scene.seen_frame(number, begin=self.stand_in.begin)) + "\n" for number in range(10)
        )
        self._send(200, lines.encode()[int(self.query["offset"][0]) :], "application/x-ndjson")

    def _event(self, name, state):
        self.wfile.write(f"event: {name}\ndata: {json.dumps(state)}\n\n".encode())
        self.wfile.flush()

    def _send_file(self, name):
        data = self.stand_in.result_file(name)
        asked = self.headers.get("Range", "")
        kind = KINDS[PurePosixPath(name).suffix]
        if not asked:
            self._send(200, data, kind, {"Accept-Ranges": "bytes"})
            return
        first, last = asked.removeprefix("bytes=").split("-")
        start, end = int(first), int(last) if last else len(data) - 1
        self._send(206, data[start : end + 1], kind, {"Content-Range": f"bytes {start}-{end}/{len(data)}"})

    def _send_static(self, path):
        name = "index.html" if path == "/" else path.removeprefix("/static/")
        file = SAMPLES / name.removeprefix("samples/") if name.startswith("samples/") else STATIC / name
        if not file.is_file():
            self._send(404, b"", "text/plain")
            return
        kept = {"Cache-Control": "max-age=600"} if path != "/" else {}  # so that tests begin sooner
        self._send(200, file.read_bytes(), KINDS[PurePosixPath(name).suffix], kept)

    def _problem(self, status, detail, headers=None, kind="problem"):
        body = {"type": f"urn:maskweave:{kind}", "title": "Problem", "status": status, "detail": detail}
        self._send(status, json.dumps(body).encode(), "application/problem+json", headers)

    def _json(self, value, status=200):
        self._send(status, json.dumps(value).encode(), "application/json")

    def _head(self, status, kind, headers):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()

    def _send(self, status, body, kind, headers=None):
        self._head(status, kind, {"Content-Length": str(len(body)), **(headers or {})})
        try:
            self.wfile.write(body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the browser has seen enough


ATTACHED = {"Content-Disposition": 'attachment; filename="image.coco.json"'}
FORMATS = {
    "image": ["overlay", "masks", "coco"],
    "video": ["overlay", "masks", "coco", "tracks", "csv", "foreground"],
    "video_by_task": {
        "instances": ["overlay", "masks", "coco", "tracks", "csv"],
        "semantic": ["overlay", "masks"],
        "foreground": ["overlay", "masks", "foreground"],
    },
    "tracks": ["coco", "tracks", "csv"],
    "suffixes": {"coco": ".json", "tracks": ".tracks.json", "csv": ".csv"},
    "titles": {"coco": "COCO instances", "tracks": "YouTube-VIS", "csv": "CSV of objects"},
}
MODEL = {
    "name": "tester",
    "task": "instances",
    "license": "Apache-2.0",
    "classes": 3,
    "here": True,
    "promptable": False,
    "bytes": None,
    "source": "",
    "how": "",
    "fetching": None,
    "removable": False,
}
