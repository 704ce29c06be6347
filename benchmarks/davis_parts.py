"""What each cue gives: foreground and propagation on DAVIS 2016 with one of them left out.

    python benchmarks/davis_parts.py DAVIS [--frames 25] --write docs/benchmarks.md
    python benchmarks/davis_parts.py --short                   # a drawn clip: does it still run?

On the first frames of each sequence. Left out means weighed nothing, and for the foreground's instances not given;
everything else stays as it is.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from davis import score_sequence
from drawn import davis_or_drawn
from measuring import replace_between_marks

import maskweave as mw
from maskweave.annotations.id_images import read_id_map
from maskweave.sources.find import find_sources
from maskweave.types.instances import Instances
from maskweave.video import foreground, mask_propagator
from maskweave.video.cues.instance_cue import MIN_SCORE
from maskweave.video.features import feature_network
from maskweave.video.stream import FrameFacts, VideoStream

MARK = "davis parts"
FOREGROUND = ("motion", "instances", "bystanders", "features", "flow", "fitting")
PROPAGATION = ("features", "colors", "flow", "instances")


@dataclass(frozen=True)
class Seen:
    """The facts about a frame, what the model finds in it, and the truth."""

    facts: FrameFacts
    found: Instances
    truth: np.ndarray


def main() -> None:
    """Run every combination and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path, nargs="?")
    parser.add_argument("--short", action="store_true", help="a drawn clip: does it still run?")
    parser.add_argument("--frames", type=int, default=25)
    parser.add_argument("--write", type=Path, help="Markdown file whose table is replaced")
    options = parser.parse_args()
    if (options.data is None) != options.short:
        parser.error("need either a folder of DAVIS or --short")
    whole = {"foreground": foreground.Weights(), "propagation": mask_propagator.Weights()}
    rows = {(task, "nothing"): weights for task, weights in whole.items()}
    for task, parts in (("foreground", FOREGROUND), ("propagation", PROPAGATION)):
        rows |= {(task, part): replace(whole[task], **{part: 0.0}) for part in parts}
    scores: dict[tuple[str, str], list[float]] = {row: [] for row in rows}
    with davis_or_drawn(options.data, frames=3) as data:
        for name, seen in sequences(data, options.frames):
            for (task, part), weights in rows.items():
                masks = list(found(seen, weights) if task == "foreground" else followed(seen, weights))
                truths = [each.truth for each in seen]
                scored = score_sequence(name, truths, masks, skip_ends=task == "propagation")
                scores[task, part].append(100 * scored.jf_mean)
            print(name, flush=True)
    text = table(scores, options.frames)
    print(text)
    if options.write is not None:
        replace_between_marks(options.write, MARK, text)


def sequences(data: Path, frames: int) -> Iterator[tuple[str, list[Seen]]]:
    """Each sequence with what the networks say of its first frames."""
    network, model = feature_network(), mw.load().model
    for folder in sorted((data / "Annotations" / "480p").iterdir()):
        (source,) = find_sources([str(data / "JPEGImages" / "480p" / folder.name)], as_video=True)
        seen, stream = [], VideoStream(network)
        with source:
            for frame, truth in zip(islice(source, frames), sorted(folder.glob("*.png")), strict=False):
                facts = stream.facts(frame)
                if facts.scene_start:
                    raise SystemExit(
                        f"{folder.name}: need one scene, got another from frame {frame.index} on"
                    )
                found = model.predict(frame.image, score=MIN_SCORE)
                seen.append(Seen(facts, found, read_id_map(truth) > 0))
        yield folder.name, seen


def found(seen: list[Seen], weights: foreground.Weights) -> Iterator[np.ndarray]:
    """The foreground of each frame, warmed up backwards as `foreground_frames` does it."""
    finder = foreground.ForegroundFinder(weights)
    if not weights.instances:  # a finder that is given some relies on them
        seen = [replace(each, found=each.found[:0]) for each in seen]
    for each in reversed(seen[1:8]):
        finder.update(each.facts, each.found)
    for each in seen:
        yield finder.update(each.facts, each.found).mask("foreground")


def followed(seen: list[Seen], weights: mask_propagator.Weights) -> Iterator[np.ndarray]:
    """The first mask carried through."""
    first = seen[0]
    masks = first.facts.features.from_source(first.truth)[None]
    propagator = mask_propagator.MaskPropagator(first.facts, masks, weights)
    yield first.truth
    for each in seen[1:]:
        yield propagator.update(each.facts, each.facts.network_instances)[0] > 0.5


def table(scores: dict[tuple[str, str], list[float]], frames: int) -> str:
    """Markdown: J&F with each part left out, and what that costs."""
    lines = ["| task | left out | J&F | costs |", "|---|---|---:|---:|"]
    for (task, part), values in scores.items():
        mean, whole = np.mean(values), np.mean(scores[task, "nothing"])
        cost = "" if part == "nothing" else f"{whole - mean:.1f}"
        lines.append(f"| {task} | {part} | {mean:.1f} | {cost} |")
    return "\n".join([*lines, "", f"First {frames} frames of each of the ten sequences."])


if __name__ == "__main__":
    main()
