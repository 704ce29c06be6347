"""The models that MaskWeave knows by name: a literal table.

Every entry says what a user must know before using it: where the file comes from, how it is known to be the right
one, the license of its *weights*, its classes, how images are prepared for it, and what it was measured to do,
with the source of that number. Weights under a copyleft or non-commercial license are not listed.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from maskweave.errors import UnknownModel
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.preprocessing import HALF, IMAGENET, UNIT
from maskweave.ops.voc_names import VOC_NAMES
from maskweave.types.semantic import FOREGROUND_NAMES

BUILT_IN = "built-in"
FAST = "built-in:fast"
"""What chooses the form of it that `maskweave doctor` measured to be the fastest here."""
"""The name under which the model in the package is always found."""
GUIDE = "guide"
"""The name of the guide in the package, which answers prompts beside any model."""


@dataclass(frozen=True)
class Checksum:
    """What a file's publisher says its bytes hash to, in hexadecimal.

    Where only ``sha1`` or ``md5`` was published, the file is checked by that, and its sha256 is pinned in the
    cache at the first download.
    """

    algorithm: Literal["sha256", "sha1", "md5"]
    value: str


@dataclass(frozen=True)
class ModelFile:
    """One file of a model.

    - ``name``: its name in the cache.
    - ``checksum``: of that file; None for a file that nobody has published.
    - ``urls``: where to fetch it, tried in order.
    - ``size``: bytes to be downloaded, where published.
    - ``member``: path inside the archive at ``urls``, when the file is fetched as a part of one.
    - ``archive``: checksum of that archive.
    """

    name: str
    checksum: Checksum | None
    urls: tuple[str, ...] = ()
    size: int | None = None
    member: str | None = None
    archive: Checksum | None = None


@dataclass(frozen=True)
class Entry:
    """One model.

    - ``family``: the file in ``maskweave.models`` that knows its layout.
    - ``files``: the model file first, then what belongs to it.
    - ``license``: of the weights, as an SPDX identifier.
    - ``class_names``: what the family is told; None where the file's own metadata names them.
    - ``preprocessing``: in words, for people; the family does it.
    - ``metric``, ``source``: the published number, and where it stands.
    - ``options``: what else the family is told, see its ``build``.
    - ``packaged``: whether the file lies in the package, so that nothing needs to be fetched.
    """

    name: str
    task: Literal["instances", "semantic", "foreground"]
    family: str
    files: tuple[ModelFile, ...]
    license: str
    class_names: tuple[str, ...] | None
    preprocessing: str
    metric: str
    source: str
    notes: str = ""
    aliases: tuple[str, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict, hash=False)
    packaged: bool = False

    @property
    def download_size(self) -> int | None:
        """Bytes to download in all, or None where a size is not published."""
        sizes = [file.size for file in self.files if not self.packaged]
        return None if None in sizes else sum(size for size in sizes if size is not None)


_ZOO = (
    "https://github.com/onnx/models/raw/main/validated/vision/object_detection_segmentation/mask-rcnn/model/"
)
_ZOO_README = (
    "https://github.com/onnx/models/tree/main/validated/vision/object_detection_segmentation/mask-rcnn"
)
_ZOO_PREPROCESSING = (
    "BGR 0..255 less (102.9801, 115.9465, 122.7717); short side 800, long side at most 1333; zeros on the right "
    "and below up to a multiple of 32"
)


def _rfdetr(size: str, side: int, queries: int, mask_ap: float, sha256: str) -> Entry:
    """One size of RF-DETR-Seg; they differ in nothing else."""
    return Entry(
        name=f"rfdetr-seg-{size}",
        task="instances",
        family="rfdetr_seg",
        files=(
            ModelFile(
                f"rfdetr-seg-{size}.onnx",
                Checksum("sha256", sha256),
                urls=(f"https://huggingface.co/besit/rfdetr-onnx/resolve/main/rfdetr-seg-{size}.onnx",),
            ),
        ),
        license="Apache-2.0",
        class_names=COCO_NAMES,
        preprocessing=(
            f"RGB 0..255 x 1/255, less (0.485, 0.456, 0.406), by (0.229, 0.224, 0.225); squashed to {side}x{side}, "
            "bilinear without averaging"
        ),
        metric=f"COCO mask AP {mask_ap}",
        source="https://github.com/roboflow/rf-detr",
        notes=f"RF-DETR-Seg of Roboflow, exported by the community; {queries} objects at most",
    )


_FCN = "https://github.com/onnx/models/raw/main/validated/vision/object_detection_segmentation/fcn/model/"
_FCN_README = "https://github.com/onnx/models/tree/main/validated/vision/object_detection_segmentation/fcn"
_FCN_PREPROCESSING = "RGB 0..1, mean and deviation of ImageNet; short side 520, both sides multiples of 32"
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models/"
_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_NOT_STRETCHED = "alpha is taken as it comes: an empty scene stays empty"
_EFFICIENT_SAM = "https://huggingface.co/spaces/yunyangx/EfficientSAM/resolve/main/"


def _promptable(name: str, family: str, *files: ModelFile, preprocessing: str, source: str) -> Entry:
    """A model that finds what it is pointed at: one file, or an encoder and a decoder."""
    kept = "; what its encoder makes of an image is kept for the next prompt" if len(files) > 1 else ""
    return Entry(
        name=name,
        task="instances",
        family=family,
        files=files,
        license="Apache-2.0",
        class_names=("object",),
        preprocessing=preprocessing,
        metric="no number that applies to this export is published",
        source=source,
        notes=f"finds what --box and --point point at; needs one of them{kept}",
    )


def _pair(
    folder: str, *files: tuple[str, str], sizes: tuple[int | None, int | None] = (None, None)
) -> tuple[ModelFile, ...]:
    """An encoder and its decoder at one address; ``files``: the name and the sha256 or md5 of each."""
    return tuple(
        ModelFile(
            name, Checksum("sha256" if len(value) == 64 else "md5", value), urls=(folder + name,), size=size
        )
        for (name, value), size in zip(files, sizes, strict=True)
    )


ENTRIES: tuple[Entry, ...] = (
    Entry(
        name="compact-s",
        aliases=(BUILT_IN,),
        task="instances",
        family="compact",
        files=(
            ModelFile(
                "compact-s.onnx",
                Checksum("sha256", "54897e54497dba2b42a98e15b8a294eb57c492b8d3fd1fcd5901a77cf5cf223e"),
            ),
        ),
        license="Apache-2.0",
        class_names=None,
        preprocessing="RGB 0..255; long side as the file says, the other one rounded to a multiple of 32",
        metric="mask AP50 44.6 (box 48.7) over 80 classes on 186 COCO 2017 val images",
        source="NanoDet-Plus-m-1.5x with masks, trained by this project; docs/model-card.md",
        notes="in the package: needs no download",
        packaged=True,
    ),
    Entry(
        name="compact-s-int8",
        task="instances",
        family="compact",
        files=(
            ModelFile(
                "compact-s-int8.onnx",
                Checksum("sha256", "73e80aceda2bb9552bd90249b09d5cc606d9dab75bcee3e76dfae98b415dc2d2"),
            ),
        ),
        license="Apache-2.0",
        class_names=None,
        preprocessing="RGB 0..255; long side as the file says, the other one rounded to a multiple of 32",
        metric="mask AP50 45.4 (box 48.7) over 80 classes on the same images",
        source="compact-s in whole numbers, by benchmarks/int8.py; docs/model-card.md",
        notes="in the package; a third of the time on processors with VNNI, elsewhere maybe slower and less exact",
        packaged=True,
    ),
    Entry(
        name="mask-rcnn-inception-v2",
        task="instances",
        family="mask_rcnn_tf",
        files=(
            ModelFile(
                "frozen_inference_graph.pb",
                Checksum("sha1", "c8adff66a1e23e607f57cf1a7cfabad0faa371f9"),
                urls=(  # one place, with and without encryption
                    "https://storage.googleapis.com/download.tensorflow.org/models/object_detection/"
                    "mask_rcnn_inception_v2_coco_2018_01_28.tar.gz",
                    "http://download.tensorflow.org/models/object_detection/"
                    "mask_rcnn_inception_v2_coco_2018_01_28.tar.gz",
                ),
                member="mask_rcnn_inception_v2_coco_2018_01_28/frozen_inference_graph.pb",
                archive=Checksum("sha1", "f8a920756744d0f7ee812b3ec2474979f74ab40c"),
            ),
            ModelFile(
                "mask_rcnn_inception_v2_coco_2018_01_28.pbtxt",
                Checksum("sha256", "090923144d81b2e442093f965be27eccda11ce5f781eaf1c7ec76932ce99641e"),
                urls=(
                    "https://raw.githubusercontent.com/opencv/opencv_extra/4.x/testdata/dnn/"
                    "mask_rcnn_inception_v2_coco_2018_01_28.pbtxt",
                ),
                size=182_896,
            ),
        ),
        license="Apache-2.0",
        class_names=COCO_NAMES,
        preprocessing="RGB 0..255, the graph scales; short side 800, long side at most 1365",
        metric="COCO mask AP 21.5, box AP 27.1",
        source="https://docs.openvino.ai/2021.3/omz_models_model_mask_rcnn_inception_v2_coco.html",
        notes="the classic: a TensorFlow 1 graph, imported into ONNX at first use (extra import); "
        "--runtime opencv runs the graph itself",
    ),
    Entry(
        name="mask-rcnn-r50-fpn",
        task="instances",
        family="mask_rcnn_onnx",
        files=(
            ModelFile(
                "MaskRCNN-12.onnx",
                Checksum("sha256", "5bf940c124d9117f6fae350c4e0d46df180cbb01981832b35fdbed148078b946"),
                urls=(_ZOO + "MaskRCNN-12.onnx",),
                size=177_970_010,
            ),
        ),
        license="MIT",
        class_names=COCO_NAMES,
        preprocessing=_ZOO_PREPROCESSING,
        metric="COCO box AP 33.7; mask AP 32.7 (of its version 10)",
        source=_ZOO_README,
    ),
    Entry(
        name="mask-rcnn-r50-fpn-int8",
        task="instances",
        family="mask_rcnn_onnx",
        files=(
            ModelFile(
                "MaskRCNN-12-int8.onnx",
                Checksum("sha256", "4409935e855719fd6cd986f7ec2a3de840d0bd9c9cf7a0cba84ce95377f5b476"),
                urls=(
                    _ZOO + "MaskRCNN-12-int8.onnx",
                    "https://huggingface.co/onnxmodelzoo/MaskRCNN-12-int8/resolve/main/MaskRCNN-12-int8.onnx",
                ),
                size=45_769_352,
            ),
        ),
        license="MIT",
        class_names=COCO_NAMES,
        preprocessing=_ZOO_PREPROCESSING,
        metric="COCO box AP 33.1",
        source=_ZOO_README,
        notes="whole-number weights: a quarter of the size of mask-rcnn-r50-fpn",
    ),
    _rfdetr("nano", 312, 100, 40.3, "482f13bb698916dfcafbd98b2e563353721eb1d56f5d4851c6ada7bc9fa0ba94"),
    _rfdetr("small", 384, 100, 43.1, "6e9ac79e34143c8cbd63b5e1c653c3108ea944ab08153433c761f72d7fef641c"),
    _rfdetr("medium", 432, 200, 45.3, "33f97a068ea7de3892e4cbc3825e15c5418be818506d7f39f44e1fb1f7ab6abb"),
    _rfdetr("large", 504, 200, 47.1, "c0aec7057051b13aced2592146fcdd92a94237c801186de4b5b28efc623adf06"),
    Entry(
        name="fcn-resnet50",
        task="semantic",
        family="semantic",
        files=(
            ModelFile(
                "fcn-resnet50-12.onnx",
                Checksum("sha256", "eb5017d1b80372eb0b58552655274698817ba2e774437e2c2d3c0a613d2e99bd"),
                urls=(_FCN + "fcn-resnet50-12.onnx",),
                size=141_193_555,
            ),
        ),
        license="MIT",
        class_names=VOC_NAMES,
        preprocessing=_FCN_PREPROCESSING,
        metric="mIoU 65.0 on images of COCO val2017, VOC's classes",
        source=_FCN_README,
    ),
    Entry(
        name="fcn-resnet50-int8",
        task="semantic",
        family="semantic",
        files=(
            ModelFile(
                "fcn-resnet50-12-int8.onnx",
                Checksum("sha256", "67fcba8ebd435c2fb6b297d2e7c084f3c3b9ae6bc7ae41453b748ae4ed8c0331"),
                urls=(_FCN + "fcn-resnet50-12-int8.onnx",),
                size=35_545_058,
            ),
        ),
        license="MIT",
        class_names=VOC_NAMES,
        preprocessing=_FCN_PREPROCESSING,
        metric="mIoU 64.7 on images of COCO val2017, VOC's classes",
        source=_FCN_README,
        notes="whole-number weights: a quarter of the size of fcn-resnet50",
    ),
    Entry(
        name="human-seg",
        task="foreground",
        family="human_seg",
        files=(
            ModelFile(
                "human_segmentation_pphumanseg_2023mar.onnx",
                Checksum("sha256", "552d8a984054e59b5d773d24b9b12022b22046ceb2bbc4c9aaeaceb36a9ddf24"),
                urls=(
                    _OPENCV_ZOO + "human_segmentation_pphumanseg/human_segmentation_pphumanseg_2023mar.onnx",
                ),
                size=6_163_938,
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1 less 0.5, by 0.5; stretched to 192x192",
        metric="mIoU 91.6 (people against background)",
        source="https://github.com/opencv/opencv_zoo/tree/main/models/human_segmentation_pphumanseg",
        notes="people only; soft edges are as coarse as its 192x192 grid",
        options={"preprocessing": HALF},
    ),
    Entry(
        name="modnet",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "model_fp16.onnx",
                Checksum("sha256", "25f165da9bfd30830a575f1f0490f1acd995975cb349bc02f3d79332e1fe5cf6"),
                urls=("https://huggingface.co/Xenova/modnet/resolve/main/onnx/model_fp16.onnx",),
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB (x - 127.5) / 127.5; 512x512, or, where the file leaves it free, short side 512",
        metric="no number that applies to this export is published",
        source="https://huggingface.co/Xenova/modnet",
        notes="mattes of portraits, with soft hair",
        options={"preprocessing": HALF},
    ),
    Entry(
        name="birefnet-lite",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",
                Checksum("md5", "4fab47adc4ff364be1713e97b7e66334"),
                urls=(_REMBG + "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx",),
            ),
        ),
        license="MIT",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024; the output is logits",
        metric="no number that applies to this export is published",
        source="https://github.com/ZhengPeng7/BiRefNet",
        notes=_NOT_STRETCHED,
        options={"preprocessing": IMAGENET, "logits": True},
    ),
    Entry(
        name="birefnet-general",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "BiRefNet-general-epoch_244.onnx",
                Checksum("md5", "7a35a0141cbbc80de11d9c9a28f52697"),
                urls=(_REMBG + "BiRefNet-general-epoch_244.onnx",),
            ),
        ),
        license="MIT",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024; the output is logits",
        metric="no number that applies to this export is published",
        source="https://github.com/ZhengPeng7/BiRefNet",
        notes=_NOT_STRETCHED,
        options={"preprocessing": IMAGENET, "logits": True},
    ),
    Entry(
        name="isnet",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "isnet-general-use.onnx",
                Checksum("md5", "fc16ebd8b0c10d971d3513d564d01e29"),
                urls=(_REMBG + "isnet-general-use.onnx",),
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1 less 0.5; stretched to 1024x1024",
        metric="no number that applies to this export is published",
        source="https://github.com/xuebinqin/DIS",
        notes=_NOT_STRETCHED,
        options={"preprocessing": replace(UNIT, mean=(0.5, 0.5, 0.5))},
    ),
    Entry(
        name="u2net",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "u2net.onnx",
                Checksum("md5", "60024c5c889badc19c04ad937298a77b"),
                urls=(_REMBG + "u2net.onnx",),
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 320x320",
        metric="no number that applies to this export is published",
        source="https://github.com/xuebinqin/U-2-Net",
        notes=_NOT_STRETCHED,
        options={"preprocessing": IMAGENET},
    ),
    Entry(
        name="u2netp",
        task="foreground",
        family="matting",
        files=(
            ModelFile(
                "u2netp.onnx",
                Checksum("md5", "8e83ca70e441ab06c318d82300c84806"),
                urls=(_REMBG + "u2netp.onnx",),
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 320x320",
        metric="no number that applies to this export is published",
        source="https://github.com/xuebinqin/U-2-Net",
        notes="small and fast; " + _NOT_STRETCHED,
        options={"preprocessing": IMAGENET},
    ),
    _promptable(
        "efficient-sam-ti",
        "efficient_sam",
        ModelFile(
            "image_segmentation_efficientsam_ti_2025april.onnx",
            Checksum("sha256", "4eb496e0a7259d435b49b66faf1754aa45a5c382a34558ddda9a8c6fe5915d77"),
            urls=(
                _OPENCV_ZOO
                + "image_segmentation_efficientsam/image_segmentation_efficientsam_ti_2025april.onnx",
            ),
            size=48_312_857,
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source="https://github.com/opencv/opencv_zoo/tree/main/models/image_segmentation_efficientsam",
    ),
    _promptable(
        "efficient-sam-ti-split",
        "efficient_sam",
        *_pair(
            _EFFICIENT_SAM,
            (
                "efficientsam_ti_encoder.onnx",
                "84ed466ffcc5c1f8d08409bc34a23bb364ab2c15e402cb12d4335a42be0e0951",
            ),
            (
                "efficientsam_ti_decoder.onnx",
                "a62f8fa5ea080447c0689418d69e58f1e83e0b7adf9c142e2bd9bcc8045c0b11",
            ),
            sizes=(24_799_761, 16_565_728),
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source="https://github.com/yformer/EfficientSAM",
    ),
    _promptable(
        "efficient-sam-s-split",
        "efficient_sam",
        *_pair(
            _EFFICIENT_SAM,
            (
                "efficientsam_s_encoder.onnx",
                "3eea4544db4647570ca5bea8ab6bbe057f2fc767ad089c14b8f67f482a2493ed",
            ),
            (
                "efficientsam_s_decoder.onnx",
                "d40a537f617c8ced3b2034b6971bc16cc291c49d3d80f740a394cdb78f0e1d06",
            ),
            sizes=(89_558_337, 16_565_728),
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source="https://github.com/yformer/EfficientSAM",
    ),
    _promptable(
        "mobile-sam",
        "sam",
        *_pair(
            "https://huggingface.co/nrl-ai/samexporter-onnx-models/resolve/"
            "5050a79cd4b912dd745fff83047c4ef6fbd97be5/mobile_sam/",
            ("mobile_sam.encoder.onnx", "8c1494f7dc70b61b15bc7ab8e4291804d47294d881da137b099b04c1776535dd"),
            ("mobile_sam.decoder.onnx", "23c11087a0c1930d863ba37fdf0f2b0080f5a94269191f679ffd16b8415f0a38"),
            sizes=(28_157_853, 16_502_895),
        ),
        preprocessing="RGB 0..255, which the network scales; long side 1024",
        source="https://github.com/ChaoningZhang/MobileSAM",
    ),
    _promptable(
        "sam-vit-b-int8",
        "sam",
        *_pair(
            _REMBG,
            ("vit_b-encoder-quant.onnx", "13d97c5c79ab13ef86d67cbde5f1b250"),
            ("vit_b-decoder-quant.onnx", "fa3d1c36a3187d3de1c8deebf33dd127"),
        ),
        preprocessing="RGB 0..255, which the network scales; long side 1024",
        source="https://github.com/facebookresearch/segment-anything",
    ),
    _promptable(
        "sam2.1-tiny",
        "sam",
        *_pair(
            "https://huggingface.co/akiyamanx/sam2.1-hiera-tiny-onnx/resolve/main/",
            (
                "sam2.1_hiera_tiny.encoder.onnx",
                "667384d1e686de6828b841ac8a24db0fafa2b3452494225f82eeedac56141230",
            ),
            (
                "sam2.1_hiera_tiny.decoder.onnx",
                "c40f5aa7d37b681cd500481a85d44839fd81c93dce1e86271a2c866470d22105",
            ),
            sizes=(109_471_931, 16_519_561),
        ),
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024",
        source="https://github.com/facebookresearch/sam2",
    ),
    Entry(
        name=GUIDE,
        task="instances",
        family="guided",
        files=(
            ModelFile(
                "guide.onnx",
                Checksum("sha256", "5bb5588311f39e0061de11b5094a2584393b4b37336126251a19921823f7f06f"),
            ),
        ),
        license="Apache-2.0",
        class_names=("object",),
        preprocessing="RGB bytes, each window of the image on 256x256",
        metric="see the model card",
        source="the model card",
        notes="answers --box and --point, and draws borders with --refine",
        packaged=True,
    ),
)


def names() -> tuple[str, ...]:
    """Every name that `find` knows, aliases after the names."""
    aliases = [alias for entry in ENTRIES for alias in entry.aliases]
    return (*(entry.name for entry in ENTRIES), *aliases)


def find(name: str) -> Entry:
    """Return the entry called ``name``; raises `UnknownModel` with the nearest names.

    >>> find("built-in").name
    'compact-s'
    """
    for entry in ENTRIES:
        if name == entry.name or name in entry.aliases:
            return entry
    near = difflib.get_close_matches(name.lower(), names(), n=3, cutoff=0.4)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known are {', '.join(names())}"
    raise UnknownModel(f"model {name!r}: need a name from the catalog or the path of a file; {hint}")
