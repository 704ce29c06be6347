"""The seam to model families: an image in, instances or a semantic map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from maskweave.errors import InvalidValue, UnknownLayout
from maskweave.ops.letterbox import Letterbox
from maskweave.runtimes.base import Runtime, Tensors
from maskweave.types.arrays import Array, FloatArray, Image, Mask, Size, check_image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.masks import Masks
from maskweave.types.prediction import Prediction, Task

if TYPE_CHECKING:
    from maskweave.types.prompt import Point, Prompt


@dataclass(frozen=True)
class Prepared:
    """The network's inputs, and where the image lies in them."""

    inputs: Tensors
    letterbox: Letterbox


class SoftMask(Protocol):
    """A guide's answer for one object, in its window of an image."""

    def probs_on(self, size: Size, image_size: Size) -> FloatArray:
        """(h, w) probabilities on an image of ``image_size``, reduced to ``size``; 0 outside of the window."""
        ...


class Guide(Protocol):
    """Finds the object that a prompt means, and refines objects; `models.guided` is one."""

    def find_prompted(self, image: Image, prompt: Prompt, known: Instances | None = None) -> Instances:
        """Find an object for each box, or one for all points; ``known``: what a model has found in the image."""
        ...

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """Correct an (H, W) mask by points."""
        ...

    def redraw(self, image: Image, instances: Instances) -> Instances:
        """Redraw the borders of objects."""
        ...

    def refine_masks(self, image: Image, masks: FloatArray) -> Sequence[SoftMask | None]:
        """Refine (K, h, w) soft masks of a whole image; None for one with no pixel over 0.5."""
        ...

    def close(self) -> None:
        """Free the network."""
        ...


class Model(ABC):
    """A network with its preprocessing and its decoder.

    `prepare` and `decode` are pure; `infer` is the engine. They are apart so that a pipeline can overlap
    and time them; `predict` is all three.
    """

    task: Task = "instances"
    preprocessing: str = ""
    """How images are prepared, in words, for people."""
    needs_prompt: bool = False
    """Whether it finds nothing by itself, only what boxes and points tell it to."""
    max_points: int | None = None
    """How many points on the object a prompt may have, where a box counts as two; None: any number."""
    guide: Guide | None = None
    """What answers prompts, and draws borders anew, for this model; None where it does so itself, or nothing does."""

    def __init__(
        self, runtime: Runtime, *, name: str, class_names: tuple[str, ...], default_score: float = 0.5
    ) -> None:
        self.runtime = runtime
        self.name = name
        self.class_names = class_names
        self.default_score = default_score

    @property
    def concurrency(self) -> int:
        """Runs of the network at a time that are done sooner than one after the other."""
        return self.runtime.describe().concurrency

    @abstractmethod
    def prepare(self, image: Image) -> Prepared:
        """Turn an (H, W, 3) uint8 RGB image into the network's inputs."""

    def prepare_frame(self, frame: Frame) -> Prepared:
        """`prepare` of a frame's image; raises `InvalidValue` for one that is read piece by piece."""
        if frame.windows is not None:
            raise InvalidValue(f"{self.name}: need an image that is read whole, or tiles; use --tile 1024")
        return self.prepare(frame.image)

    def infer(self, inputs: Tensors) -> Tensors:
        """Run the network; raises `EngineError`."""
        return self.runtime.run(inputs)

    @abstractmethod
    def decode(self, outputs: Tensors, letterbox: Letterbox, *, score: float) -> Prediction:
        """Turn the network's outputs into a result in source-image pixels, dropping scores under ``score``.

        A place may come under several classes; `result` is what people want to see.
        """

    def result(
        self, outputs: Tensors, letterbox: Letterbox, *, score: float, multi_label: bool = False
    ) -> Prediction:
        """`decode`; families whose `decode` gives an object under several classes keep the best one here.

        With ``multi_label`` they keep all.
        """
        return self.decode(outputs, letterbox, score=score)

    def features(self, outputs: Tensors, letterbox: Letterbox) -> FloatArray | None:
        """(C, rows, columns) features over the whole source image, or None where the network gives none."""
        return None

    def predict(self, image: Image, *, score: float | None = None, multi_label: bool = False) -> Prediction:
        """Segment one (H, W, 3) uint8 RGB image.

        ``score`` in [0, 1] drops objects the model is less sure of; None takes the model's own default.
        ``multi_label`` keeps an object under each class it may be of, as average precision counts, not only under
        the best one.
        Raises `InvalidValue` for a malformed image or score.
        """
        threshold = self.check_score(score)
        self.check_unprompted()
        prepared = self.prepare(check_image(image))
        outputs = self.infer(prepared.inputs)
        return self.result(outputs, prepared.letterbox, score=threshold, multi_label=multi_label)

    def prompt(self, image: Image, prompt: Prompt, *, label: str = "image") -> Instances:
        """Find what boxes or points on one (H, W, 3) uint8 RGB image mean: one object a box, or one for all points.

        ``label``: what the image is called in messages. Raises `InvalidValue` for a malformed image, a prompt that
        does not fit it, or one where nothing stands out.
        """
        check_image(image)
        prompt.check((image.shape[0], image.shape[1]), label=label)
        if prompt.ids is not None:
            raise InvalidValue("prompt: need boxes or points, got a mask: what it marks is found already")
        return self.find_prompted(image, prompt)

    def prompt_mask(self, image: Image, mask: Array, points: Sequence[Point] = ()) -> Instances:
        """Correct the object of an (H, W) bool mask by points; without points redraw its border.

        Raises `InvalidValue` for a malformed image, a mask that is empty or of another size, points outside of the
        image, or where nothing is left.
        """
        check_image(image)
        size = (image.shape[0], image.shape[1])
        mask = np.asarray(mask)
        if mask.dtype != np.bool_ or mask.shape != size or not mask.any():
            given = (
                "an empty one"
                if mask.dtype == np.bool_ and mask.shape == size
                else f"{mask.shape} {mask.dtype}"
            )
            raise InvalidValue(
                f"image: need a bool mask of the image's size {size} with an object, got {given}"
            )
        from maskweave.types.prompt import OBJECT_NAMES, check_points

        check_points(points, size, label="image")
        masks = Masks.from_dense(self.correct(image, mask, points)[None])
        corrected = Instances(masks, masks.boxes, np.ones(1), np.zeros(1, np.int64), OBJECT_NAMES)
        return corrected if points else self.check_guided().redraw(image, corrected)

    def find_prompted(self, image: Image, prompt: Prompt) -> Instances:
        """The work of `prompt`: the guide's answer, which knows what this model finds in the image."""
        guide = self.check_guided()
        is_marked = bool(prompt.boxes and prompt.points)  # what is known would not be used
        known = self.predict(image) if self.task == "instances" and not is_marked else None
        return guide.find_prompted(image, prompt, known if isinstance(known, Instances) else None)

    def correct(self, image: Image, mask: Mask, points: Sequence[Point]) -> Mask:
        """(H, W) mask of an object, corrected by points on it and beside it; without points as it is.

        Raises `InvalidValue` when nothing is left of it.
        """
        return self.check_guided().correct(image, mask, points) if points else mask

    def refine(self, frame: Frame, instances: Instances) -> Instances:
        """Redraw the borders of the objects of a frame, each in its own window.

        Raises `InvalidValue` where there is no guide, or the image is read piece by piece.
        """
        guide = self.check_guided()
        if frame.windows is not None:
            raise InvalidValue("--refine: need an image that is read whole; leave --tile or --refine out")
        return guide.redraw(frame.image, instances)

    def check_unprompted(self) -> None:
        """Raise `InvalidValue` when the model cannot do without a prompt."""
        if self.needs_prompt:
            raise InvalidValue(f"{self.name}: needs a box or points on the object; give --box or --point")

    def check_guided(self) -> Guide:
        """Return the guide; raise `InvalidValue` where there is none."""
        if self.guide is None:
            raise InvalidValue(
                f"{self.name}: need a guide beside it for prompts and borders, got none; load it by `maskweave.load`"
            )
        return self.guide

    def check_score(self, score: float | None) -> float:
        """Return the score threshold to use; raise `InvalidValue` when it is not in [0, 1]."""
        threshold = self.default_score if score is None else float(score)
        if not 0 <= threshold <= 1:
            raise InvalidValue(f"score: need a number in [0, 1], got {score}")
        return threshold

    def close(self) -> None:
        """Free the engine."""
        self.runtime.close()
        if self.guide is not None:
            self.guide.close()


def fixed_canvas(name: str, height: int | None, width: int | None) -> Size | None:
    """The (height, width) that a network insists on, None when both are free.

    Raises `UnknownLayout` when only one is, because no image of another shape would then fit.
    """
    if height is None and width is None:
        return None
    if not height or not width:
        shape = "x".join("any" if side is None else str(side) for side in (height, width))
        raise UnknownLayout(
            f"{name}: need an input whose height and width are both free or both fixed, got {shape}; "
            "export it again"
        )
    return height, width
