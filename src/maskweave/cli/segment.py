"""Run `maskweave segment` and `maskweave propagate`: every input in turn; one that fails stops no other."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path

from maskweave.catalog.entry import BUILT_IN
from maskweave.cli.console import FAILED, progress_bar, verbosity
from maskweave.cli.loading import loaded
from maskweave.cli.reporting import Totals, report_failure, report_success, report_totals
from maskweave.cli.signals import until_stopped
from maskweave.cores import cores
from maskweave.errors import InvalidValue, MaskWeaveError
from maskweave.models.base import Model
from maskweave.networks import propagation_model
from maskweave.options import Request
from maskweave.run import OnResult, check, find_inputs, run, stream
from maskweave.run_report import RunReport
from maskweave.sources.files import real_path
from maskweave.sources.lazy import LazySource
from maskweave.sources.prefetch import prefetch_map
from maskweave.types.frame import SourceInfo


def segment_inputs(
    inputs: Sequence[str], request: Request, *, open_it: bool = False, json_lines: bool = False
) -> int:
    """Segment all inputs and return the exit code."""
    with loaded(request.model) as model:
        check(request, model)
        if _is_pipe(inputs, request, json_lines):
            _from_stdin_to_stdout(request, model)
            return 0
        sources = find_inputs(joined_camera(inputs), request)
        totals = _segment_all(sources, request, model, flat=len(inputs) == 1, json_lines=json_lines)
    return _exit_code(totals, request, open_it=open_it)


def propagate_input(text: str, request: Request, *, open_it: bool = False, json_lines: bool = False) -> int:
    """Follow what is marked through one video, and return the exit code."""
    if request.prompt.prompt is None:
        from maskweave.types.prompt import Prompt

        Prompt(request.prompt.frame)  # says what is needed
    sources = find_inputs([text], request)
    if len(sources) != 1 or sources[0].info.kind == "image":
        with sources[0]:  # one that is not there says so
            raise InvalidValue(
                f"{text}: need one video, or a folder of frames with --as-video, which is also for animations and "
                "for the pages of a TIFF"
            )
    if request.model.model == BUILT_IN and request.model.size is None:
        request = request.changed(size=propagation_model().size)
    with loaded(request.model) as model:
        totals = _segment_all(sources, request, model, flat=True, json_lines=json_lines)
    return _exit_code(totals, request, open_it=open_it)


def _is_pipe(inputs: Sequence[str], request: Request, json_lines: bool) -> bool:
    """Whether an image on stdin is to become an overlay on stdout."""
    chosen = request.output.output is not None or request.output.save is not None or json_lines
    return list(inputs) == ["-"] and not chosen and not sys.stdout.isatty()


def _from_stdin_to_stdout(request: Request, model: Model) -> None:
    """The image on stdin, its overlay as PNG on stdout: for pipes."""
    from maskweave.outputs.images import encode_image
    from maskweave.outputs.overlay import draw_overlay

    (source,) = find_inputs(["-"], request)
    with source, closing(stream(source, model, request)) as results:
        for result in results:
            overlay = draw_overlay(result.image, result.prediction, request.output.style)
            sys.stdout.buffer.write(encode_image(overlay, ".png"))
            sys.stdout.buffer.flush()


def joined_camera(inputs: Sequence[str]) -> list[str]:
    """Read the two words ``camera 0`` as ``camera:0``."""
    joined: list[str] = []
    for text in inputs:
        if joined and joined[-1] == "camera" and text.isdigit():
            joined[-1] = f"camera:{text}"
        else:
            joined.append(text)
    return joined


@dataclass(frozen=True)
class _Outcome:
    """What came of one source."""

    source: LazySource
    result: RunReport | MaskWeaveError
    seconds: float


def _segment_all(
    sources: Sequence[LazySource], request: Request, model: Model, *, flat: bool, json_lines: bool
) -> Totals:
    """Segment every source and report each as it is done. ``flat``: there is one input, so its folder is named."""
    masks = (Path(mask) for mask in request.prompt.masks.values() if isinstance(mask, str | Path))
    inputs = {*(source.path for source in sources if source.path is not None), *masks}
    segment = partial(
        run,
        model=model,
        request=request,
        inputs=frozenset(map(real_path, inputs)),
        flat=flat and request.output.output is not None,
    )
    totals = Totals(len(sources))
    for outcome in _outcomes(sources, partial(_try, segment), several=request.model.tile is None):
        if isinstance(outcome.result, MaskWeaveError):
            report_failure(outcome.source, outcome.result, json_lines=json_lines)
            totals.failed += 1
        else:
            report_success(outcome.source, outcome.result, outcome.seconds, json_lines=json_lines)
            totals.add(outcome.result)
    if not json_lines:
        report_totals(totals, request.output.folder)
    return totals


def _exit_code(totals: Totals, request: Request, *, open_it: bool) -> int:
    """Open what was written, where that is asked for, and return the exit code."""
    if open_it:
        from maskweave.cli.viewer import show

        show(totals.paths, request.output.folder, several=totals.inputs > 1)
    return FAILED if totals.failed else 0


def _outcomes(
    sources: Iterable[LazySource], segment: Callable[[LazySource], _Outcome], *, several: bool
) -> Iterator[_Outcome]:
    """What comes of each source, in order; ``several`` images are segmented at a time where they are small.

    A video keeps all cores busy itself, and signals to stop are heard in the main thread only.
    """
    workers = min(max(2, cores()), 4)  # one is read while the network looks at others; each is held whole
    for kind, group in groupby(sources, key=lambda source: source.kind):
        if several and kind == "image":
            yield from prefetch_map(list(group), segment, workers=workers)
        else:
            yield from map(segment, group)


def _try(segment: Callable[..., RunReport], source: LazySource) -> _Outcome:
    """Segment one source; an input that is at fault does not stop the others."""
    started = time.perf_counter()
    result: RunReport | MaskWeaveError
    try:
        with source, _progress(source.info) as progress, until_stopped(source):
            result = segment(source, progress=progress)
    except MaskWeaveError as error:
        if verbosity.debug:
            raise
        result = error
    return _Outcome(source, result, time.perf_counter() - started)


@contextmanager
def _progress(info: SourceInfo) -> Iterator[OnResult | None]:
    """Show a bar for a video; an image is done before one could move, and several are segmented at a time."""
    if info.kind == "image":
        yield None
        return
    with progress_bar(info.name, info.frame_count) as update:
        yield lambda result: update(result.frame.index + 1, info.frame_count)
