"""`maskweave evaluate`: how good a model is on images whose truth is known."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from maskweave.cli.console import emit, progress_bar

if TYPE_CHECKING:
    from maskweave.evaluation.coco_ap import CocoScores

_LOWEST_SCORE = 0.02  # weaker predictions change AP by less than 0.1

evaluate_app = typer.Typer(help="Measure a model on images whose truth is known.", no_args_is_help=True)


@evaluate_app.command("coco")
def evaluate_coco_command(  # noqa: PLR0913, PLR0917 - each is an option of the command line
    annotations: Annotated[Path, typer.Argument(help="COCO instances file with the truth.")],
    images: Annotated[Path, typer.Option(help="Folder of the images.")],
    model: Annotated[
        str, typer.Option("-m", "--model", help="built-in, a catalogue name, or a file.")
    ] = "built-in",
    sources: Annotated[
        str | None, typer.Option(help="Comma-separated: only images whose `source` is one of these.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Long side of the network's input in pixels.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Threads of the engine.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many images.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Also write the scores as JSON.")
    ] = None,
    json_lines: Annotated[
        bool, typer.Option("--json", help="The scores as one JSON line on stdout.")
    ] = False,
) -> None:
    """Mask and box AP as COCO defines them; classes an image does not list as labelled do not count there."""
    from maskweave.evaluation.coco_ap import evaluate_coco
    from maskweave.evaluation.coco_truth import read_coco_truth
    from maskweave.models.loading import EngineOptions, load_model
    from maskweave.sources.images import read_image
    from maskweave.types.arrays import Image
    from maskweave.types.instances import Instances

    loaded = load_model(model, size=size, options=EngineOptions(threads=threads))
    names = None if sources is None else [name.strip() for name in sources.split(",")]
    truths = read_coco_truth(annotations, loaded.class_names, sources=names)[:limit]

    def predict(image: Image) -> Instances:
        found = loaded.predict(image, score=_LOWEST_SCORE)
        if not isinstance(found, Instances):
            raise typer.BadParameter(
                f"{model} finds no instances; AP needs a model that does", param_hint="--model"
            )
        return found

    with progress_bar("measuring", len(truths)) as update:
        scores = evaluate_coco(
            predict,
            truths,
            lambda name: read_image(images / name),
            class_names=loaded.class_names,
            progress=lambda done: update(done, len(truths)),
        )
    loaded.close()
    if output is not None:
        output.write_text(json.dumps(_plain(scores), indent=2), encoding="utf-8")
    if json_lines:
        emit(_plain(scores))
    else:
        _print(scores)


def _plain(scores: CocoScores) -> dict[str, object]:
    """JSON has no NaN: a class without objects has null."""
    plain: dict[str, object] = json.loads(json.dumps(asdict(scores)).replace("NaN", "null"))
    return plain


def _print(scores: CocoScores) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{scores.images} images, AP in 0..100", title_justify="left")
    for title in ("class", "objects", "mask AP", "mask AP50", "mask AP75", "box AP", "box AP50"):
        table.add_column(title, justify="left" if title == "class" else "right")
    rows = [("mean", sum(scores.objects.values()), scores.masks, scores.boxes)]
    rows += [
        (name, scores.objects[name], scores.masks_per_class[name], scores.boxes_per_class[name])
        for name in scores.objects
    ]
    for name, objects, masks, boxes in rows:
        values = (masks.ap, masks.ap50, masks.ap75, boxes.ap, boxes.ap50)
        table.add_row(name, str(objects), *("-" if math.isnan(value) else f"{value:.1f}" for value in values))
    Console().print(table)
