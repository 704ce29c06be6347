"""A model without a network: each color in an image is an object, red at odd values a "field", else a "house"."""

import cv2
import numpy as np

from maskweave.models.base import Model, Prepared
from maskweave.ops.letterbox import Letterbox
from maskweave.types import Instances, Masks, SemanticMap
from tests.runtimes.fake import FakeRuntime

NAMES = ("house", "field")


class ColorModel(Model):
    """Sees exactly what is in the image it is given; ``apart``: what hangs together is an object, not a color."""

    def __init__(self, task="instances", *, apart=False):
        super().__init__(FakeRuntime({}), name="colors", class_names=NAMES)
        self.task, self.apart, self.sizes = task, apart, []

    def prepare(self, image):
        self.sizes.append(image.shape[:2])
        return Prepared({"image": image}, Letterbox.squash(image.shape[:2], image.shape[:2]))

    def infer(self, inputs):
        return inputs

    def decode(self, outputs, letterbox, *, score):
        image = outputs["image"].astype(np.int64)
        if self.task == "semantic":
            return SemanticMap(image[..., 0] % 2, NAMES, image[..., 1] / 255)
        codes = image @ (1 << 16, 1 << 8, 1)
        dense = [codes == code for code in np.unique(codes) if code]
        if self.apart:
            dense = [part for mask in dense for part in parts(mask)]
        masks = Masks.from_dense(np.array(dense, bool).reshape(-1, *codes.shape))
        reds = [int(image[mask][0, 0]) for mask in dense]
        scores = 0.5 + masks.areas / (2 * codes.size)
        return Instances(masks, masks.boxes, scores, [red % 2 for red in reds], NAMES)


def parts(mask):
    count, labels = cv2.connectedComponents(mask.view(np.uint8), connectivity=4)
    return [labels == label for label in range(1, count)]
