"""The models that others have published, fetched when they are first used."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from maskweave.catalog.entry import Checksum, Entry, ModelFile
from maskweave.ops.coco_names import COCO_NAMES
from maskweave.ops.preprocessing import HALF, IMAGENET, UNIT, Preprocessing
from maskweave.ops.voc_names import VOC_NAMES
from maskweave.types.semantic import FOREGROUND_NAMES

_ZOO = "https://github.com/onnx/models/raw/main/validated/vision/object_detection_segmentation/"
_ZOO_README = "https://github.com/onnx/models/tree/main/validated/vision/object_detection_segmentation/"
_OPENCV_ZOO = "https://github.com/opencv/opencv_zoo/raw/main/models/"
_OPENCV_README = "https://github.com/opencv/opencv_zoo/tree/main/models/"
_REMBG = "https://github.com/danielgatis/rembg/releases/download/v0.0.0/"
_EFFICIENT_SAM = "https://huggingface.co/spaces/yunyangx/EfficientSAM/resolve/main/"
_MOBILE_SAM = (
    "https://huggingface.co/nrl-ai/samexporter-onnx-models/resolve/"
    "5050a79cd4b912dd745fff83047c4ef6fbd97be5/mobile_sam/"
)
_SAM_2_TINY = "https://huggingface.co/akiyamanx/sam2.1-hiera-tiny-onnx/resolve/main/"
_TENSORFLOW = "download.tensorflow.org/models/object_detection/mask_rcnn_inception_v2_coco_2018_01_28.tar.gz"

_ZOO_PREPROCESSING = (
    "BGR 0..255 less (102.9801, 115.9465, 122.7717); short side 800, long side at most 1333; zeros on the right "
    "and below up to a multiple of 32"
)
_FCN_PREPROCESSING = "RGB 0..1, mean and deviation of ImageNet; short side 520, both sides multiples of 32"
_NO_METRIC = "no number that applies to this export is published"
_NOT_STRETCHED = "alpha is taken as it comes: an empty scene stays empty"


def _file(url: str, checksum: str, size: int | None = None) -> ModelFile:
    """A file that is named as its address ends; ``checksum``: its sha256 or md5."""
    algorithm: Literal["sha256", "md5"] = "sha256" if len(checksum) == 64 else "md5"
    return ModelFile(url.rpartition("/")[2], Checksum(algorithm, checksum), (url,), size)


def _zoo(
    name: str,
    family: str,
    *,
    sample: str,
    file: ModelFile,
    class_names: tuple[str, ...],
    preprocessing: str,
    metric: str,
    notes: str = "",
) -> Entry:
    """A model of the ONNX model zoo; ``sample``: the folder of its description there."""
    return Entry(
        name=name,
        task="semantic" if family == "semantic" else "instances",
        family=family,
        files=(file,),
        license="MIT",
        class_names=class_names,
        preprocessing=preprocessing,
        metric=metric,
        source=_ZOO_README + sample,
        notes=notes,
    )


def _rfdetr(size: str, side: int, queries: int, mask_ap: float, sha256: str) -> Entry:
    """One size of RF-DETR-Seg; they differ in nothing else."""
    return Entry(
        name=f"rfdetr-seg-{size}",
        task="instances",
        family="rfdetr_seg",
        files=(
            _file(f"https://huggingface.co/besit/rfdetr-onnx/resolve/main/rfdetr-seg-{size}.onnx", sha256),
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


def _matte(
    name: str,
    file: ModelFile,
    prepared: Preprocessing,
    *,
    preprocessing: str,
    source: str,
    weights_license: str = "Apache-2.0",
    notes: str = _NOT_STRETCHED,
    logits: bool = False,
) -> Entry:
    """A model of foreground with soft edges."""
    return Entry(
        name=name,
        task="foreground",
        family="matting",
        files=(file,),
        license=weights_license,
        class_names=FOREGROUND_NAMES,
        preprocessing=preprocessing,
        metric=_NO_METRIC,
        source=source,
        notes=notes,
        options={"preprocessing": prepared, **({"logits": True} if logits else {})},
    )


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
        metric=_NO_METRIC,
        source=source,
        notes=f"finds what --box and --point point at; needs one of them{kept}",
    )


PUBLISHED: tuple[Entry, ...] = (
    Entry(
        name="mask-rcnn-inception-v2",
        task="instances",
        family="mask_rcnn_tf",
        files=(
            ModelFile(
                "frozen_inference_graph.pb",
                Checksum("sha1", "c8adff66a1e23e607f57cf1a7cfabad0faa371f9"),
                # one place, with and without encryption
                urls=(f"https://storage.googleapis.com/{_TENSORFLOW}", f"http://{_TENSORFLOW}"),
                member="mask_rcnn_inception_v2_coco_2018_01_28/frozen_inference_graph.pb",
                archive=Checksum("sha1", "f8a920756744d0f7ee812b3ec2474979f74ab40c"),
            ),
            _file(
                "https://raw.githubusercontent.com/opencv/opencv_extra/4.x/testdata/dnn/"
                "mask_rcnn_inception_v2_coco_2018_01_28.pbtxt",
                "090923144d81b2e442093f965be27eccda11ce5f781eaf1c7ec76932ce99641e",
                182_896,
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
    _zoo(
        "mask-rcnn-r50-fpn",
        "mask_rcnn_onnx",
        sample="mask-rcnn",
        file=_file(
            _ZOO + "mask-rcnn/model/MaskRCNN-12.onnx",
            "5bf940c124d9117f6fae350c4e0d46df180cbb01981832b35fdbed148078b946",
            177_970_010,
        ),
        class_names=COCO_NAMES,
        preprocessing=_ZOO_PREPROCESSING,
        metric="COCO box AP 33.7; mask AP 32.7 (of its version 10)",
    ),
    _zoo(
        "mask-rcnn-r50-fpn-int8",
        "mask_rcnn_onnx",
        sample="mask-rcnn",
        file=ModelFile(
            "MaskRCNN-12-int8.onnx",
            Checksum("sha256", "4409935e855719fd6cd986f7ec2a3de840d0bd9c9cf7a0cba84ce95377f5b476"),
            urls=(
                _ZOO + "mask-rcnn/model/MaskRCNN-12-int8.onnx",
                "https://huggingface.co/onnxmodelzoo/MaskRCNN-12-int8/resolve/main/MaskRCNN-12-int8.onnx",
            ),
            size=45_769_352,
        ),
        class_names=COCO_NAMES,
        preprocessing=_ZOO_PREPROCESSING,
        metric="COCO box AP 33.1",
        notes="whole-number weights: a quarter of the size of mask-rcnn-r50-fpn",
    ),
    _rfdetr("nano", 312, 100, 40.3, "482f13bb698916dfcafbd98b2e563353721eb1d56f5d4851c6ada7bc9fa0ba94"),
    _rfdetr("small", 384, 100, 43.1, "6e9ac79e34143c8cbd63b5e1c653c3108ea944ab08153433c761f72d7fef641c"),
    _rfdetr("medium", 432, 200, 45.3, "33f97a068ea7de3892e4cbc3825e15c5418be818506d7f39f44e1fb1f7ab6abb"),
    _rfdetr("large", 504, 200, 47.1, "c0aec7057051b13aced2592146fcdd92a94237c801186de4b5b28efc623adf06"),
    _zoo(
        "fcn-resnet50",
        "semantic",
        sample="fcn",
        file=_file(
            _ZOO + "fcn/model/fcn-resnet50-12.onnx",
            "eb5017d1b80372eb0b58552655274698817ba2e774437e2c2d3c0a613d2e99bd",
            141_193_555,
        ),
        class_names=VOC_NAMES,
        preprocessing=_FCN_PREPROCESSING,
        metric="mIoU 65.0 on images of COCO val2017, VOC's classes",
    ),
    _zoo(
        "fcn-resnet50-int8",
        "semantic",
        sample="fcn",
        file=_file(
            _ZOO + "fcn/model/fcn-resnet50-12-int8.onnx",
            "67fcba8ebd435c2fb6b297d2e7c084f3c3b9ae6bc7ae41453b748ae4ed8c0331",
            35_545_058,
        ),
        class_names=VOC_NAMES,
        preprocessing=_FCN_PREPROCESSING,
        metric="mIoU 64.7 on images of COCO val2017, VOC's classes",
        notes="whole-number weights: a quarter of the size of fcn-resnet50",
    ),
    Entry(
        name="human-seg",
        task="foreground",
        family="human_seg",
        files=(
            _file(
                _OPENCV_ZOO + "human_segmentation_pphumanseg/human_segmentation_pphumanseg_2023mar.onnx",
                "552d8a984054e59b5d773d24b9b12022b22046ceb2bbc4c9aaeaceb36a9ddf24",
                6_163_938,
            ),
        ),
        license="Apache-2.0",
        class_names=FOREGROUND_NAMES,
        preprocessing="RGB 0..1 less 0.5, by 0.5; stretched to 192x192",
        metric="mIoU 91.6 (people against background)",
        source=_OPENCV_README + "human_segmentation_pphumanseg",
        notes="people only; soft edges are as coarse as its 192x192 grid",
        options={"preprocessing": HALF},
    ),
    _matte(
        "modnet",
        _file(
            "https://huggingface.co/Xenova/modnet/resolve/main/onnx/model_fp16.onnx",
            "25f165da9bfd30830a575f1f0490f1acd995975cb349bc02f3d79332e1fe5cf6",
        ),
        HALF,
        preprocessing="RGB (x - 127.5) / 127.5; 512x512, or, where the file leaves it free, short side 512",
        source="https://huggingface.co/Xenova/modnet",
        notes="mattes of portraits, with soft hair",
    ),
    _matte(
        "birefnet-lite",
        _file(_REMBG + "BiRefNet-general-bb_swin_v1_tiny-epoch_232.onnx", "4fab47adc4ff364be1713e97b7e66334"),
        IMAGENET,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024; the output is logits",
        source="https://github.com/ZhengPeng7/BiRefNet",
        weights_license="MIT",
        logits=True,
    ),
    _matte(
        "birefnet-general",
        _file(_REMBG + "BiRefNet-general-epoch_244.onnx", "7a35a0141cbbc80de11d9c9a28f52697"),
        IMAGENET,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024; the output is logits",
        source="https://github.com/ZhengPeng7/BiRefNet",
        weights_license="MIT",
        logits=True,
    ),
    _matte(
        "isnet",
        _file(_REMBG + "isnet-general-use.onnx", "fc16ebd8b0c10d971d3513d564d01e29"),
        replace(UNIT, mean=(0.5, 0.5, 0.5)),
        preprocessing="RGB 0..1 less 0.5; stretched to 1024x1024",
        source="https://github.com/xuebinqin/DIS",
    ),
    _matte(
        "u2net",
        _file(_REMBG + "u2net.onnx", "60024c5c889badc19c04ad937298a77b"),
        IMAGENET,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 320x320",
        source="https://github.com/xuebinqin/U-2-Net",
    ),
    _matte(
        "u2netp",
        _file(_REMBG + "u2netp.onnx", "8e83ca70e441ab06c318d82300c84806"),
        IMAGENET,
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 320x320",
        source="https://github.com/xuebinqin/U-2-Net",
        notes="small and fast; " + _NOT_STRETCHED,
    ),
    _promptable(
        "efficient-sam-ti",
        "efficient_sam",
        _file(
            _OPENCV_ZOO + "image_segmentation_efficientsam/image_segmentation_efficientsam_ti_2025april.onnx",
            "4eb496e0a7259d435b49b66faf1754aa45a5c382a34558ddda9a8c6fe5915d77",
            48_312_857,
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source=_OPENCV_README + "image_segmentation_efficientsam",
    ),
    _promptable(
        "efficient-sam-ti-split",
        "efficient_sam",
        _file(
            _EFFICIENT_SAM + "efficientsam_ti_encoder.onnx",
            "84ed466ffcc5c1f8d08409bc34a23bb364ab2c15e402cb12d4335a42be0e0951",
            24_799_761,
        ),
        _file(
            _EFFICIENT_SAM + "efficientsam_ti_decoder.onnx",
            "a62f8fa5ea080447c0689418d69e58f1e83e0b7adf9c142e2bd9bcc8045c0b11",
            16_565_728,
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source="https://github.com/yformer/EfficientSAM",
    ),
    _promptable(
        "efficient-sam-s-split",
        "efficient_sam",
        _file(
            _EFFICIENT_SAM + "efficientsam_s_encoder.onnx",
            "3eea4544db4647570ca5bea8ab6bbe057f2fc767ad089c14b8f67f482a2493ed",
            89_558_337,
        ),
        _file(
            _EFFICIENT_SAM + "efficientsam_s_decoder.onnx",
            "d40a537f617c8ced3b2034b6971bc16cc291c49d3d80f740a394cdb78f0e1d06",
            16_565_728,
        ),
        preprocessing="RGB 0..1, stretched to 1024x1024",
        source="https://github.com/yformer/EfficientSAM",
    ),
    _promptable(
        "mobile-sam",
        "sam",
        _file(
            _MOBILE_SAM + "mobile_sam.encoder.onnx",
            "8c1494f7dc70b61b15bc7ab8e4291804d47294d881da137b099b04c1776535dd",
            28_157_853,
        ),
        _file(
            _MOBILE_SAM + "mobile_sam.decoder.onnx",
            "23c11087a0c1930d863ba37fdf0f2b0080f5a94269191f679ffd16b8415f0a38",
            16_502_895,
        ),
        preprocessing="RGB 0..255, which the network scales; long side 1024",
        source="https://github.com/ChaoningZhang/MobileSAM",
    ),
    _promptable(
        "sam-vit-b-int8",
        "sam",
        _file(_REMBG + "vit_b-encoder-quant.onnx", "13d97c5c79ab13ef86d67cbde5f1b250"),
        _file(_REMBG + "vit_b-decoder-quant.onnx", "fa3d1c36a3187d3de1c8deebf33dd127"),
        preprocessing="RGB 0..255, which the network scales; long side 1024",
        source="https://github.com/facebookresearch/segment-anything",
    ),
    _promptable(
        "sam2.1-tiny",
        "sam",
        _file(
            _SAM_2_TINY + "sam2.1_hiera_tiny.encoder.onnx",
            "667384d1e686de6828b841ac8a24db0fafa2b3452494225f82eeedac56141230",
            109_471_931,
        ),
        _file(
            _SAM_2_TINY + "sam2.1_hiera_tiny.decoder.onnx",
            "c40f5aa7d37b681cd500481a85d44839fd81c93dce1e86271a2c866470d22105",
            16_519_561,
        ),
        preprocessing="RGB 0..1, mean and deviation of ImageNet; stretched to 1024x1024",
        source="https://github.com/facebookresearch/sam2",
    ),
)
