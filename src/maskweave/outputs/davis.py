"""Id pictures in the layout of the DAVIS benchmark: 8 bits, its palette, ``00000.png`` upwards.

Source: https://davischallenge.org (DAVIS 2017, ``Annotations/480p``). There 0 is background, 1 .. 254 are objects and
255 is *void*.
"""

from __future__ import annotations

from pathlib import Path

from maskweave.errors import InvalidValue
from maskweave.outputs.base import Target, Writer
from maskweave.outputs.files import output_errors
from maskweave.outputs.masks_png import encode_id_map, instance_id_map
from maskweave.types.arrays import IntArray
from maskweave.types.frame import Frame
from maskweave.types.instances import Instances
from maskweave.types.prediction import Prediction

LARGEST_ID = 254


class DavisFolder(Writer):
    """``<name>.davis/``: one picture a frame, named as the frame, whose pixels are track ids.

    The format holds ids up to 254. Objects with larger ones are left out, never wrapped round; ``warnings`` says how
    many. The format "masks" holds up to 65535.
    """

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        self._path = target.pictures_path(".davis")
        self._left_out: set[int] = set()

    @property
    def path(self) -> Path:
        """The folder."""
        return self._path

    @property
    def warnings(self) -> list[str]:
        """Which ids did not fit."""
        if not self._left_out:
            return []
        return [
            f"davis: {len(self._left_out)} objects with ids above {LARGEST_ID} (from {min(self._left_out)} on) are "
            "left out, 8-bit pictures hold no more; --save masks writes 16 bits"
        ]

    def begin(self) -> None:
        """Make the folder under a hidden name."""
        self._folder = self.files.enter_context(self.target.open_pictures(".davis"))

    def write(self, frame: Frame, prediction: Prediction) -> None:
        """Add one picture."""
        file = self._folder / f"{frame.name or f'{frame.index:05d}'}.png"
        with output_errors(self._path):
            file.write_bytes(encode_id_map(self._id_map(prediction), wide=False))

    def _id_map(self, prediction: Prediction) -> IntArray:
        if not isinstance(prediction, Instances):
            if "foreground" not in prediction.class_names:
                raise InvalidValue("davis: need instances or a foreground map, got a map of classes")
            return prediction.mask("foreground").astype(int)
        if prediction.track_ids is not None:
            fits = prediction.track_ids <= LARGEST_ID
            self._left_out.update(prediction.track_ids[~fits].tolist())
            prediction = prediction[fits]
        elif len(prediction) > LARGEST_ID:
            self._left_out.update(range(LARGEST_ID + 1, len(prediction) + 1))
            prediction = prediction[:LARGEST_ID]
        return instance_id_map(prediction)
