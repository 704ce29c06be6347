"""`maskweave evaluate`: measure results against ground truth. One file for each measure."""

from __future__ import annotations

import typer

from maskweave.cli.evaluate_coco import evaluate_coco_command
from maskweave.cli.evaluate_davis import evaluate_davis_command
from maskweave.cli.evaluate_panoptic import evaluate_panoptic_command
from maskweave.cli.evaluate_semantic import evaluate_semantic_command
from maskweave.cli.evaluate_video import evaluate_video_command

evaluate_app = typer.Typer(help="Evaluate results, or a model, against ground truth.", no_args_is_help=True)
evaluate_app.command("coco")(evaluate_coco_command)
evaluate_app.command("semantic")(evaluate_semantic_command)
evaluate_app.command("panoptic")(evaluate_panoptic_command)
evaluate_app.command("davis")(evaluate_davis_command)
evaluate_app.command("video")(evaluate_video_command)
