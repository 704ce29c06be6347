"""One stage or two: both kinds of head trained for the same time from the same backbone, then measured alike.

    python benchmarks/compare_heads.py instances_train.json --images images --val instances_val.json \
        --from recipes/compact-s.pt --minutes 10 -o compare

Backbone and neck start from a checkpoint, all heads anew; --freeze trains the heads alone. Both get the same stream
of training views (same seed, same steps), learning rates and optimisers; who computes less a step sees more of it.
Both are averaged, scored on the validation images of --sources with the same rescoring of parts, and timed in turns
in torch on one 320x320 image; the time of two stages includes choosing the proposals. --tiny tries the script out.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from two_stage.losses import two_stage_loss
from two_stage.network import TwoStageNet

from maskweave.evaluation.coco_ap import CocoAP, CocoScores, mean_precision
from maskweave.evaluation.coco_truth import CocoTruth, read_coco_truth
from maskweave.models.compact import PART_LOSS_OF_GUESSES, part_factors
from maskweave.ops.boxes import clip_boxes
from maskweave.ops.paste import paste_masks
from maskweave.ops.placement import Placement
from maskweave.training.annotations import TrainingSet, read_training_set
from maskweave.training.averaging import MovingAverage
from maskweave.training.batches import Batch, StepDataset, sampling_weights, step_loader
from maskweave.training.cache import ImageCache, read_rgb
from maskweave.training.checkpoint import load_checkpoint
from maskweave.training.config import TrainConfig, read_recipe
from maskweave.training.export import ExportInfo, export_onnx
from maskweave.training.hardware import choose_device, choose_precision, keep_freed_memory
from maskweave.training.losses import LossWeights, compute_loss
from maskweave.training.network import Architecture, CompactNet, normalise
from maskweave.training.optimisers import Optimisers
from maskweave.training.schedule import Schedule
from maskweave.training.validate import WHOLE, validate
from maskweave.types.arrays import Image
from maskweave.types.instances import Instances

CORE = ("person", "cat", "dog", "horse", "sheep", "cow")
LossOf = Callable[[nn.Module, Tensor, Batch], Tensor]


@dataclass(frozen=True)
class Rival:
    """A kind of head after its training."""

    network: nn.Module
    steps: int
    losses: list[float]


def main() -> None:
    """Train both, measure both, print the table."""
    options = _options()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    config = _config(options)
    data = read_training_set(
        config.annotations, config.images, class_names=config.classes, exclude_sources=config.exclude_sources
    )
    if options.tiny:
        data = replace(data, images=data.images[:: max(1, len(data.images) // 48)])
    config.output.mkdir(parents=True, exist_ok=True)
    cache = ImageCache(data.images, config.output / "cache", max_side=round(config.size * 1.5))
    truths = read_coco_truth(options.val, data.class_names, sources=options.sources.split(","))
    truths = truths[:: max(1, len(truths) // 8)] if options.tiny else truths
    rivals: dict[str, Rival] = {}
    scores: dict[str, CocoScores] = {}
    kinds: dict[str, tuple[type[nn.Module], LossOf]] = {
        "one stage": (CompactNet, _one_stage_loss),
        "two stages": (TwoStageNet, two_stage_loss),
    }
    for name, (kind, loss_of) in kinds.items():
        torch.manual_seed(config.seed)
        network = kind(Architecture(len(data.class_names)))
        _load_body(network, options.start)
        rivals[name] = _train(network, loss_of, _stream(data, cache, config), config, freeze=options.freeze)
        losses = rivals[name].losses
        print(
            f"{name}: {rivals[name].steps} steps, loss {losses[0]:.2f}, at the end {np.mean(losses[-20:]):.2f}"
        )
    val_images = options.val_images or options.images
    scores["one stage"] = _score_one(rivals["one stage"], truths, val_images, config, data.class_names)
    scores["two stages"] = _score_two(rivals["two stages"], truths, val_images, data.class_names)
    _print(rivals, scores, _times(rivals, rounds=5 if options.tiny else 40))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--val", type=Path, required=True)
    parser.add_argument("--val-images", type=Path)
    parser.add_argument("--sources", default="voc")
    parser.add_argument(
        "--from", dest="start", type=Path, required=True, help="checkpoint of backbone and neck"
    )
    parser.add_argument("--recipe", type=Path, default=Path("recipes/compact-s-2.toml"))
    parser.add_argument("--minutes", type=float, default=10.0, help="training time of each head")
    parser.add_argument("--freeze", action="store_true", help="leave backbone and neck as they are")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--size", type=int, help="long side of the views; by default the recipe's")
    parser.add_argument(
        "--tiny", action="store_true", help="few images and small batches, to try the script out"
    )
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser.parse_args()


def _config(options: argparse.Namespace) -> TrainConfig:
    config = read_recipe(
        options.recipe,
        annotations=options.annotations,
        images=options.images,
        output=options.output,
        minutes=options.minutes,
        size=options.size,
    )
    return replace(config, batch_size=4, size=96, workers=0, warmup_steps=5) if options.tiny else config


def _load_body(network: nn.Module, start: Path) -> None:
    """Backbone and neck from a checkpoint's averaged weights."""
    weights = load_checkpoint(start)["average"]
    for part in ("backbone", "neck"):
        own = {name.removeprefix(f"{part}."): v for name, v in weights.items() if name.startswith(f"{part}.")}
        getattr(network, part).load_state_dict(
            {name: v.float() if v.is_floating_point() else v for name, v in own.items()}
        )


def _stream(data: TrainingSet, cache: ImageCache, config: TrainConfig) -> Iterator[Batch]:
    dataset = StepDataset(
        data,
        cache,
        weights=sampling_weights(data, source_weights=config.source_weights),
        batch_size=config.batch_size,
        size=config.size,
        seed=config.seed,
        augmentation=replace(config.augmentation, mosaic=0.0),
    )
    return step_loader(dataset, 0, workers=config.workers)


def _one_stage_loss(network: nn.Module, images: Tensor, batch: Batch) -> Tensor:
    return compute_loss(network(images), batch, LossWeights()).total


def _train(
    network: nn.Module, loss_of: LossOf, stream: Iterator[Batch], config: TrainConfig, *, freeze: bool
) -> Rival:
    """Train for the config's minutes; returns the averaged network."""
    device = choose_device(config.device)
    precision = choose_precision(config.precision, device)
    network = network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    body = [network.backbone, network.neck]
    if freeze:
        for part in body:
            part.requires_grad_(False)
    optimisers = Optimisers(
        network,
        kind=config.optimiser,
        lr=config.lr,
        vector_lr=config.vector_lr,
        weight_decay=config.weight_decay,
    )
    average = MovingAverage(network, config.ema)
    schedule = Schedule(config, None)
    losses: list[float] = []
    start = time.monotonic()
    for batch in stream:
        progress = schedule.progress(len(losses), time.monotonic() - start)
        if progress >= 1:
            break
        network.train()
        for part in body if freeze else []:
            part.eval()
        optimisers.set_lr(schedule.lr(len(losses), progress))
        here = batch.to(device)
        images = normalise(here.images).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, torch.bfloat16, enabled=precision == "bf16"):
            loss = loss_of(network, images, here)
        optimisers.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 10.0)
        optimisers.step()
        average.update(network, len(losses))
        losses.append(float(loss.detach()))
    return Rival(average.network.cpu(), len(losses), losses)


def _score_one(
    rival: Rival, truths: list[CocoTruth], images: Path, config: TrainConfig, names: tuple[str, ...]
) -> CocoScores:
    """As users run it: exported, by ONNX Runtime."""
    path = config.output / "one-stage.onnx"
    export_onnx(rival.network, path, ExportInfo(names, size=320))  # type: ignore[arg-type]
    return validate(path, truths, images)[WHOLE]


def _score_two(rival: Rival, truths: list[CocoTruth], images: Path, names: tuple[str, ...]) -> CocoScores:
    metric = CocoAP(names)
    for truth in truths:
        metric.add(truth, _predict(rival.network, read_rgb(images / truth.file_name), names))
    return metric.result()


def _predict(network: nn.Module, image: Image, names: tuple[str, ...]) -> Instances:
    placement = Placement.letterbox((image.shape[0], image.shape[1]), 320, multiple=32)
    found = network.detect(_tensor(placement.apply(image, pad_value=114)))
    boxes = placement.to_source(found.boxes.double().numpy())
    masks = paste_masks(found.mask_logits.sigmoid().numpy(), boxes, placement.source_size)
    instances = Instances(
        masks=masks,
        boxes=clip_boxes(boxes, placement.source_size),
        scores=found.scores.double().numpy(),
        class_ids=found.class_ids.numpy(),
        class_names=names,
    )
    instances = instances.replace(scores=instances.scores * part_factors(instances, PART_LOSS_OF_GUESSES))
    return instances[masks.areas > 0]


def _tensor(image: Image) -> Tensor:
    return normalise(torch.from_numpy(image)[None]).contiguous(memory_format=torch.channels_last)


def _times(rivals: dict[str, Rival], rounds: int) -> dict[str, float]:
    """Median milliseconds a 320x320 image, timed in turns."""
    rng = np.random.default_rng(0)
    image = _tensor(rng.integers(0, 256, (320, 320, 3), dtype=np.uint8))
    runs: dict[str, Callable[[], object]] = {
        "one stage": lambda: rivals["one stage"].network(image),
        "two stages": lambda: rivals["two stages"].network.detect(image),  # type: ignore[operator]
    }
    spent: dict[str, list[float]] = {name: [] for name in runs}
    with torch.no_grad():
        for turn in range(rounds + 1):
            for name, run in runs.items():
                start = time.perf_counter()
                run()
                if turn:  # the first warms up
                    spent[name].append(1000 * (time.perf_counter() - start))
    return {name: statistics.median(values) for name, values in spent.items()}


def _print(rivals: dict[str, Rival], scores: dict[str, CocoScores], times: dict[str, float]) -> None:
    images = next(iter(scores.values())).images
    print(f"\n| on {images} images | parameters, M | steps | mask AP50 | of six classes | box AP50 | ms |")
    print("|---|---|---|---|---|---|---|")
    for name, rival in rivals.items():
        core = mean_precision(scores[name].masks_per_class[each] for each in CORE).ap50
        size = sum(p.numel() for p in rival.network.parameters()) / 1e6
        values = (scores[name].masks.ap50, core, scores[name].boxes.ap50, times[name])
        print(f"| {name} | {size:.2f} | {rival.steps} | {' | '.join(f'{value:.1f}' for value in values)} |")


if __name__ == "__main__":
    main()
