"""Networks with the layouts of promptable models that know the answer by brightness."""

from dataclasses import dataclass

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from tests.models.graphs import onnx_bytes


def sam(side=128):
    """A file of OpenCV's layout: candidates are what is bright, what is dark, and everything.

    Their IoU predictions: the brightness at the first point, what it lacks to 1, and a tenth.
    """
    make = helper.make_node
    nodes = [
        make("ReduceMean", ["batched_images"], ["gray"], axes=[1], keepdims=1),
        make("Sub", ["gray", "half"], ["bright"]),
        make("Neg", ["bright"], ["dark"]),
        make("Abs", ["bright"], ["all"]),
        make("Concat", ["bright", "dark", "all"], ["three"], axis=1),
        make("Unsqueeze", ["three", "first"], ["output_masks"]),
        make("Cast", ["batched_point_coords"], ["whole"], to=TensorProto.INT64),
        make("Slice", ["whole", "zero", "one", "two_axis"], ["point"]),  # (1, 1, 1, 2): x, y of the first
        make("Gather", ["point", "yx"], ["turned"], axis=3),
        make("Reshape", ["turned", "pair"], ["place"]),
        make("Reshape", ["gray", "flat"], ["plane"]),
        make("GatherND", ["plane", "place"], ["light"]),
        make("Sub", ["unit", "light"], ["lack"]),
        make("Concat", ["light", "lack", "tenth"], ["ious"], axis=0),
        make("Reshape", ["ious", "ious_shape"], ["ious_out"]),
        # the labels must be there, and -1 where there is no point: their sum may not pass 1 + 2 + 3
        make("ReduceMax", ["batched_point_labels"], ["label"], keepdims=0),
        make("Mul", ["label", "nothing"], ["label_zero"]),
        make("Add", ["ious_out", "label_zero"], ["iou_predictions"]),
    ]
    values = {
        "half": (0.5, np.float32), "first": ([1], np.int64), "zero": ([0], np.int64), "one": ([1], np.int64),
        "two_axis": ([2], np.int64), "yx": ([1, 0], np.int64), "pair": ([1, 2], np.int64),
        "flat": ([side, side], np.int64), "unit": (1, np.float32), "tenth": ([0.1], np.float32),
        "ious_shape": ([1, 1, 3], np.int64), "nothing": (0, np.float32),
    }  # fmt: skip
    info = helper.make_tensor_value_info
    return onnx_bytes(
        nodes,
        [
            info("batched_images", TensorProto.FLOAT, [1, 3, side, side]),
            info("batched_point_coords", TensorProto.FLOAT, [1, 1, 6, 2]),
            info("batched_point_labels", TensorProto.FLOAT, [1, 1, 6, 1]),
        ],
        [
            info("output_masks", TensorProto.FLOAT, [1, 1, 3, side, side]),
            info("iou_predictions", TensorProto.FLOAT, [1, 1, 3]),
        ],
        [numpy_helper.from_array(np.array(value, kind), name) for name, (value, kind) in values.items()],
    )


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_FLOAT, _INT = TensorProto.FLOAT, TensorProto.INT64


@dataclass(frozen=True)
class Pair:
    """An encoder and a decoder as they are published.

    - ``encoder``, ``decoder``: their files' names.
    - ``family``: what they are taken for.
    - ``old_mask``: whether the decoder takes one.
    """

    encoder: str
    decoder: str
    family: str
    old_mask: bool = True

    @property
    def contents(self):
        """Of the encoder's file and of the decoder's."""
        return _ENCODERS[self](), _DECODERS[self]()

    def write(self, folder):
        """Write both and return the encoder's path."""
        for name, content in zip((self.encoder, self.decoder), self.contents, strict=True):
            (folder / name).write_bytes(content)
        return folder / self.encoder


SAM = Pair("sam_encoder.onnx", "sam_decoder.onnx", "sam")
MOBILE_SAM = Pair("mobile_sam.encoder.onnx", "mobile_sam.decoder.onnx", "sam")
SOURCE_SIZED = Pair("image_encoder.onnx", "sam_mask_decoder_multi.onnx", "sam")
"""Its decoder gives no masks of low resolution, and its name is another than the encoder's."""
SAM_2 = Pair("sam2_hiera_tiny_encoder.onnx", "sam2_hiera_tiny_decoder.onnx", "sam")
SPLIT = Pair(
    "efficientsam_ti_encoder.onnx",
    "efficientsam_ti_decoder.onnx",
    "efficient_sam",
    old_mask=False,
)
PUBLISHED = {"mobile-sam": MOBILE_SAM, "sam-vit-b-int8": MOBILE_SAM, "sam2.1-tiny": SAM_2} | dict.fromkeys(
    ("efficient-sam-ti-split", "efficient-sam-s-split"), SPLIT
)
"""The layout of each pair in the catalog."""
PAIRS = (SAM, MOBILE_SAM, SOURCE_SIZED, SAM_2, SPLIT)


def _graph(nodes, inputs, outputs, values):
    info = helper.make_tensor_value_info
    return onnx_bytes(
        nodes,
        [info(name, kind, shape) for name, (kind, shape) in inputs.items()],
        [info(name, _FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()],
    )


def _folded(source):
    """Nodes from an image (1, 3, 1024, 1024) of 0..1 to its brightness, in 16 of 256 channels of (64, 64)."""
    make = helper.make_node
    nodes = [
        make("ReduceMean", [source], ["gray"], axes=[1], keepdims=1),
        make("AveragePool", ["gray"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]),
        make("SpaceToDepth", ["cells"], ["folded"], blocksize=4),
        make("Pad", ["folded", "more_channels"], ["embedding"]),
    ]
    return nodes, {"more_channels": np.array([0, 0, 0, 0, 0, 240, 0, 0])}


def _colors():
    """The mean and deviation that encoders undo, so that only an image that was fed by them is seen right."""
    return {
        "std": np.array(_STD, np.float32).reshape(1, 3, 1, 1),
        "mean": np.array(_MEAN, np.float32).reshape(1, 3, 1, 1),
    }


def _sam_encoder(image="input_image", output="image_embeddings", *, levels=False):
    make = helper.make_node
    nodes, values = _folded("plain")
    nodes = [make("Mul", [image, "std"], ["scaled"]), make("Add", ["scaled", "mean"], ["plain"]), *nodes]
    nodes.append(make("Identity", ["embedding"], [output]))
    outputs = {output: [1, 256, 64, 64]}
    if levels:  # of finer resolution; the first channel of the finest one is the brightness
        nodes += [
            make("Pad", ["cells", "fine_channels"], ["high_res_feats_0"]),
            make("AveragePool", ["cells"], ["coarse"], kernel_shape=[2, 2], strides=[2, 2]),
            make("Pad", ["coarse", "coarse_channels"], ["high_res_feats_1"]),
        ]
        values["fine_channels"] = np.array([0, 0, 0, 0, 0, 31, 0, 0])
        values["coarse_channels"] = np.array([0, 0, 0, 0, 0, 63, 0, 0])
        outputs |= {"high_res_feats_0": [1, 32, 256, 256], "high_res_feats_1": [1, 64, 128, 128]}
    return _graph(nodes, {image: (_FLOAT, [1, 3, 1024, 1024])}, outputs, values | _colors())


def _raw_encoder():
    """One that takes (H, W, 3) of 0..255, and normalizes and pads itself."""
    make = helper.make_node
    nodes, values = _folded("plain")
    first = [
        make("Transpose", ["input_image"], ["planes"], perm=[2, 0, 1]),
        make("Unsqueeze", ["planes", "axis_0"], ["batch"]),
        make("Div", ["batch", "full"], ["unit"]),
        make("Sub", ["unit", "mean"], ["centered"]),
        make("Shape", ["centered"], ["shape"]),
        make("Sub", ["square", "shape"], ["beside"]),
        make("Concat", ["zeros", "beside"], ["pads"], axis=0),
        make("Pad", ["centered", "pads"], ["padded"]),
        make("Add", ["padded", "mean"], ["plain"]),
    ]
    values |= {
        "axis_0": np.array([0]),
        "full": np.float32(255),
        "square": np.array([1, 3, 1024, 1024]),
        "zeros": np.zeros(4, np.int64),
        "mean": _colors()["mean"],
    }
    return _graph(
        [*first, *nodes, make("Identity", ["embedding"], ["image_embeddings"])],
        {"input_image": (_FLOAT, ["height", "width", 3])},
        {"image_embeddings": [1, 256, 64, 64]},
        values,
    )


def _split_encoder():
    """EfficientSAM's: (1, 3, H, W) of 0..1, which it stretches over its square itself."""
    make = helper.make_node
    nodes, values = _folded("plain")
    stretch = make("Resize", ["batched_images", "", "", "square"], ["plain"], mode="linear")
    return _graph(
        [stretch, *nodes, make("Identity", ["embedding"], ["image_embeddings"])],
        {"batched_images": (_FLOAT, ["batch", 3, "height", "width"])},
        {"image_embeddings": [1, 256, 64, 64]},
        values | {"square": np.array([1, 3, 1024, 1024])},
    )


def _answer(coords, labels, *, unfold=True, old_mask=True):
    """Nodes from a folded brightness and a prompt to "low", logits (1, 3, 256, 256), and "ious" (3).

    Candidates are what is bright (with the old mask, where there is one), what is dark, and everything. The middle of
    the points on the object and of a box's corners says which is meant. ``coords`` are in 0..256.
    """
    make = helper.make_node
    nodes = [
        make("Reshape", [coords, "as_coords"], ["places"]),
        make("Reshape", [labels, "as_labels"], ["kinds"]),
        make("Cast", ["kinds"], ["float_kinds"], to=_FLOAT),
        make("Greater", ["float_kinds", "half"], ["is_told"]),
        make("Cast", ["is_told"], ["weights"], to=_FLOAT),
        make("Mul", ["places", "weights"], ["weighed"]),
        make("ReduceSum", ["weighed", "axis_1"], ["sum_places"]),
        make("ReduceSum", ["weights", "axis_1"], ["sum_weights"]),
        make("Div", ["sum_places", "sum_weights"], ["middle_xy"]),
        make("Clip", ["middle_xy", "lowest", "highest"], ["clipped"]),
        make("Cast", ["clipped"], ["cell_xy"], to=_INT),
        make("Gather", ["cell_xy", "yx"], ["cell_yx"], axis=2),
        make("Reshape", ["cell_yx", "as_index"], ["index"]),
        make("Reshape", ["cells", "as_plane"], ["plane"]),
        make("GatherND", ["plane", "index"], ["light"]),
        make("Sub", ["unit", "light"], ["lack"]),
        make("Concat", ["light", "lack", "tenth"], ["ious"], axis=0),
        make("Sub", ["cells", "half"], ["bright"]),
        make("Neg", ["bright"], ["dark"]),
        make("Abs", ["bright"], ["magnitude"]),
        make("Add", ["magnitude", "tenth"], ["all"]),
        make("Identity", ["bright"], ["first"]),
    ]
    if unfold:
        nodes = [
            make("Slice", ["image_embeddings", "from_0", "to_16", "axis_1"], ["folded"]),
            make("DepthToSpace", ["folded"], ["cells"], blocksize=4),
            *nodes,
        ]
    if old_mask:
        nodes[-1:] = [
            make("Sub", ["has_mask_input", "unit"], ["lacks"]),
            make("Mul", ["lacks", "much"], ["never"]),
            make("Mul", ["mask_input", "tenth"], ["soft"]),
            make("Add", ["soft", "never"], ["old"]),
            make("Max", ["bright", "old"], ["first"]),
        ]
    nodes.append(make("Concat", ["first", "dark", "all"], ["low"], axis=1))
    values = {
        "as_coords": np.array([1, -1, 2]), "as_labels": np.array([1, -1, 1]), "half": np.float32(0.5),
        "axis_1": np.array([1]), "lowest": np.float32(0), "highest": np.float32(255), "yx": np.array([1, 0]),
        "as_index": np.array([1, 2]), "as_plane": np.array([256, 256]), "unit": np.float32([1]),
        "tenth": np.float32([0.1]), "from_0": np.array([0]), "to_16": np.array([16]), "much": np.float32(99),
    }  # fmt: skip
    return nodes, values


_ASKED = {
    "point_coords": (_FLOAT, [1, "points", 2]),
    "point_labels": (_FLOAT, [1, "points"]),
    "mask_input": (_FLOAT, [1, 1, 256, 256]),
    "has_mask_input": (_FLOAT, [1]),
}


def _sam_decoder(*, low_res=True):
    """SAM's: masks of the image's size, cut out of the padded square."""
    make = helper.make_node
    nodes, values = _answer("cell_coords", "point_labels")
    nodes = [
        make("Div", ["point_coords", "four"], ["cell_coords"]),
        *nodes,
        make("Resize", ["low", "", "", "square"], ["large"], mode="linear"),
        make("ReduceMax", ["orig_im_size"], ["longest"], axes=[0]),
        make("Div", ["side", "longest"], ["scale"]),
        make("Mul", ["orig_im_size", "scale"], ["scaled"]),
        make("Add", ["scaled", "half"], ["rounded"]),
        make("Cast", ["rounded"], ["ends"], to=_INT),  # cuts off what is behind the point
        make("Slice", ["large", "zeros", "ends", "sides"], ["cut"]),
        make("Cast", ["orig_im_size"], ["size"], to=_INT),
        make("Concat", ["three", "size"], ["source"], axis=0),
        make("Resize", ["cut", "", "", "source"], ["masks"], mode="linear"),
        make("Reshape", ["ious", "as_ious"], ["iou_predictions"]),
    ]
    values |= {
        "four": np.float32(4), "square": np.array([1, 3, 1024, 1024]), "side": np.float32([1024]),
        "zeros": np.array([0, 0]), "sides": np.array([2, 3]), "three": np.array([1, 3]), "as_ious": np.array([1, 3]),
    }  # fmt: skip
    outputs = {"masks": [1, 3, "height", "width"], "iou_predictions": [1, 3]}
    if low_res:
        nodes.append(make("Identity", ["low"], ["low_res_masks"]))
        outputs["low_res_masks"] = [1, 3, 256, 256]
    inputs = {"image_embeddings": (_FLOAT, [1, 256, 64, 64]), **_ASKED, "orig_im_size": (_FLOAT, [2])}
    return _graph(nodes, inputs, outputs, values)


def _sam_2_decoder():
    """SAM 2's: logits over the square, held to 32."""
    make = helper.make_node
    nodes, values = _answer("cell_coords", "point_labels", unfold=False)
    nodes = [
        make("Div", ["point_coords", "four"], ["cell_coords"]),
        make("Slice", ["high_res_feats_0", "from_0", "to_1", "axis_1"], ["cells"]),
        *nodes,
        make("Mul", ["low", "four"], ["strong"]),
        make("Clip", ["strong", "lower", "upper"], ["masks"]),
        make("Reshape", ["ious", "as_ious"], ["iou_predictions"]),
    ]
    values |= {
        "four": np.float32(4), "to_1": np.array([1]), "lower": np.float32(-32), "upper": np.float32(32),
        "as_ious": np.array([1, 3]),
    }  # fmt: skip
    levels = {
        "high_res_feats_0": (_FLOAT, [1, 32, 256, 256]),
        "high_res_feats_1": (_FLOAT, [1, 64, 128, 128]),
    }
    inputs = {"image_embed": (_FLOAT, [1, 256, 64, 64]), **levels, **_ASKED}
    return _graph(nodes, inputs, {"masks": ["labels", 3, 256, 256], "iou_predictions": ["labels", 3]}, values)


def _split_decoder():
    """EfficientSAM's: masks of the size that the points are in."""
    make = helper.make_node
    nodes, values = _answer("cell_coords", "batched_point_labels", old_mask=False)
    nodes = [
        make("Gather", ["orig_im_size", "yx"], ["wide_high"], axis=0),
        make("Cast", ["wide_high"], ["extent"], to=_FLOAT),
        make("Div", ["batched_point_coords", "extent"], ["shares"]),
        make("Mul", ["shares", "cells_across"], ["cell_coords"]),
        *nodes,
        make("Concat", ["three", "orig_im_size"], ["source"], axis=0),
        make("Resize", ["low", "", "", "source"], ["large"], mode="linear"),
        make("Unsqueeze", ["large", "from_0"], ["output_masks"]),
        make("Reshape", ["ious", "as_ious"], ["iou_predictions"]),
    ]
    values |= {"cells_across": np.float32(256), "three": np.array([1, 3]), "as_ious": np.array([1, 1, 3])}
    inputs = {
        "image_embeddings": (_FLOAT, ["batch", 256, 64, 64]),
        "batched_point_coords": (_FLOAT, [1, 1, "points", 2]),
        "batched_point_labels": (_FLOAT, [1, 1, "points"]),
        "orig_im_size": (_INT, [2]),
    }
    outputs = {"output_masks": [1, 1, 3, "height", "width"], "iou_predictions": [1, 1, 3]}
    return _graph(nodes, inputs, outputs, values)


_ENCODERS = {
    SAM: _sam_encoder,
    MOBILE_SAM: _raw_encoder,
    SOURCE_SIZED: _raw_encoder,
    SAM_2: lambda: _sam_encoder("image", "image_embed", levels=True),
    SPLIT: _split_encoder,
}
_DECODERS = {
    SAM: _sam_decoder,
    MOBILE_SAM: _sam_decoder,
    SOURCE_SIZED: lambda: _sam_decoder(low_res=False),
    SAM_2: _sam_2_decoder,
    SPLIT: _split_decoder,
}
