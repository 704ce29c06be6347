"""The seam to model families: an image in, instances or a semantic map out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from maskweave.errors import InvalidValue
from maskweave.ops.placement import Placement
from maskweave.ops.prompts import objects_at
from maskweave.runtimes.base import Runtime, Tensors
from maskweave.types.arrays import FloatArray, Image, check_image
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction, Task
from maskweave.types.prompt import Prompt


@dataclass(frozen=True)
class Prepared:
    """What the network is fed, and where the picture lies in it."""

    inputs: Tensors
    placement: Placement


class Model(ABC):
    """A network with its preprocessing and its decoder.

    `prepare` and `decode` are pure; `infer` is the engine. They are apart so that a pipeline can overlap
    and time them; `predict` is all three.
    """

    task: Task = "instances"
    preprocessing: str = ""
    """How pictures are prepared, in words, for people."""
    needs_prompt: bool = False
    """Whether it finds nothing by itself, only what boxes and points tell it to."""
    most_points: int | None = None
    """How many points on the object a prompt may have, where a box counts as two; None: any number."""

    def __init__(
        self, runtime: Runtime, *, name: str, class_names: tuple[str, ...], default_score: float = 0.5
    ) -> None:
        self.runtime = runtime
        self.name = name
        self.class_names = class_names
        self.default_score = default_score

    @property
    def lanes(self) -> int:
        """Runs of the network at a time that are done sooner than one after the other."""
        return self.runtime.describe().lanes

    @abstractmethod
    def prepare(self, image: Image) -> Prepared:
        """Turn an (H, W, 3) uint8 RGB image into the network's inputs."""

    def prepare_frame(self, frame: Frame) -> Prepared:
        """`prepare` of a frame's picture; raises `InvalidValue` for one that is read piece by piece."""
        if frame.windows is not None:
            raise InvalidValue(f"{self.name}: need a picture that is read whole, or tiles; use --tile 1024")
        return self.prepare(frame.image)

    def infer(self, inputs: Tensors) -> Tensors:
        """Run the network; raises `EngineError`."""
        return self.runtime.run(inputs)

    @abstractmethod
    def decode(self, outputs: Tensors, placement: Placement, *, score: float) -> Prediction:
        """Turn the network's outputs into a result in source-image pixels, dropping scores under ``score``.

        A place may come under several classes; `result` is what people want to see.
        """

    def result(
        self, outputs: Tensors, placement: Placement, *, score: float, every_class: bool = False
    ) -> Prediction:
        """`decode`; families whose `decode` gives an object under several classes keep the likeliest here.

        With ``every_class`` they keep all.
        """
        return self.decode(outputs, placement, score=score)

    def features(self, outputs: Tensors, placement: Placement) -> FloatArray | None:
        """(C, rows, columns) features over the whole source image, or None where the network gives none."""
        return None

    def predict(self, image: Image, *, score: float | None = None, every_class: bool = False) -> Prediction:
        """Segment one (H, W, 3) uint8 RGB image.

        ``score`` in [0, 1] drops objects the model is less sure of; None takes the model's own default.
        ``every_class`` keeps an object under each class it may be of, as average precision counts, not only under
        the likeliest.
        Raises `InvalidValue` for a malformed image or score.
        """
        threshold = self.check_score(score)
        self.check_unprompted()
        prepared = self.prepare(check_image(image))
        outputs = self.infer(prepared.inputs)
        return self.result(outputs, prepared.placement, score=threshold, every_class=every_class)

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

    def find_prompted(self, image: Image, prompt: Prompt) -> Instances:
        """The work of `prompt`: an object that the network finds and that fits, else what GrabCut cuts out."""
        found = self.predict(image) if self.task == "instances" else None
        size = (image.shape[0], image.shape[1])
        return objects_at(image, prompt, found if isinstance(found, Instances) else Instances.empty(size, ()))

    def check_unprompted(self) -> None:
        """Raise `InvalidValue` when the model cannot do without a prompt."""
        if self.needs_prompt:
            raise InvalidValue(f"{self.name}: needs a box or points on the object; give --box or --point")

    def check_score(self, score: float | None) -> float:
        """Return the score threshold to use; raise `InvalidValue` when it is not in [0, 1]."""
        threshold = self.default_score if score is None else float(score)
        if not 0 <= threshold <= 1:
            raise InvalidValue(f"score: need a number in [0, 1], got {score}")
        return threshold

    def close(self) -> None:
        """Free the engine."""
        self.runtime.close()
