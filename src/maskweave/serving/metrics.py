"""Metrics for Prometheus: https://prometheus.io/docs/practices/naming/."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The numbers of one server, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "maskweave_requests",
            "Answers by path, method and status.",
            ["path", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "maskweave_request_seconds", "Time to answer.", ["path"], buckets=_SECONDS, registry=self.registry
        )
        self.inference = Histogram(
            "maskweave_segment_seconds",
            "Time to segment one image.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.objects = Counter("maskweave_objects", "Objects found in images.", registry=self.registry)
        self.uploaded = Counter("maskweave_upload_bytes", "Bytes of files received.", registry=self.registry)
        self.frames = Counter("maskweave_frames", "Frames of videos segmented.", registry=self.registry)

    def watch(self, name: str, description: str, value: Callable[[], float]) -> None:
        """Add a gauge that is asked when the numbers are."""
        Gauge(name, description, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """All numbers in Prometheus' text format, version 0.0.4."""
        return generate_latest(self.registry)

    def record(self, path: str, method: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(path, method, str(status)).inc()
        self.seconds.labels(path).observe(seconds)
