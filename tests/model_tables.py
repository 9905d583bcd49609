"""The papers' tables of layers: names as in fastconv.models, shapes (C, H, W) or (features,)."""


def _stages(rows):
    """'name name: C S' rows as name → (C, S, S), or (C,) without S."""
    result = {}
    for row in rows.strip().splitlines():
        names, _, size = row.partition(":")
        channels, *side = map(int, size.split())
        for name in names.split():
            result[name] = (channels, *side * 2)
    return result


_INCEPTION = """
    conv1: 64 112
    maxpool1 conv2: 64 56
    conv3: 192 56
    maxpool2: 192 28
    inception3a: 256 28
    inception3b: 480 28
    maxpool3: 480 14
    inception4a inception4b inception4c: 512 14
    inception4d: 528 14
    inception4e: 832 14
    maxpool4 inception5a: 832 7
    inception5b: 1024 7
    avgpool: 1024 1
    fc: 1000
"""
_RESNET = """
    conv1 bn1 relu: 64 112
    maxpool: 64 56
    layer1: {0} 56
    layer2: {1} 28
    layer3: {2} 14
    layer4: {3} 7
    avgpool: {3} 1
    fc: 1000
"""
_BASIC, _BOTTLENECK = (64, 128, 256, 512), (256, 512, 1024, 2048)
_RESNET_CIFAR = """
    conv1 layer1: 16 32
    layer2: 32 16
    layer3: 64 8
    avgpool: 64 1
    fc: 10
"""
_VGG = ((64, 112), (128, 56), (256, 28), (512, 14), (512, 7))  # after each stage's pooling
_VGG_POOLS = {"vgg11": (2, 5, 10, 15, 20), "vgg13": (4, 9, 14, 19, 24),
              "vgg16": (4, 9, 16, 23, 30), "vgg19": (4, 9, 18, 27, 36),
              "vgg16_bn": (6, 13, 23, 33, 43), "vgg19_bn": (6, 13, 26, 39, 52)}  # fmt: skip
_DENSE = {  # channels after blocks and transitions
    "densenet121": (256, 128, 512, 256, 1024, 512, 1024),
    "densenet169": (256, 128, 512, 256, 1280, 640, 1664),
    "densenet201": (256, 128, 512, 256, 1792, 896, 1920),
    "densenet161": (384, 192, 768, 384, 2112, 1056, 2208),
}

SHAPES = {
    "course_cnn": _stages("""
        conv1: 10 37
        conv2: 20 17
        conv3: 40 7
        flatten: 1960
        output: 1
    """),
    "alexnet": _stages("""
        conv1 norm1: 96 55
        pool1: 96 27
        conv2 norm2: 256 27
        pool2: 256 13
        conv3 conv4: 384 13
        conv5: 256 13
        pool5: 256 6
        drop6: 9216
        fc6 fc7: 4096
        fc8: 1000
    """),
    "alexnet_torchvision": _stages("""
        features.0: 64 55
        features.2: 64 27
        features.3: 192 27
        features.5: 192 13
        features.6: 384 13
        features.8 features.10: 256 13
        features.12 avgpool: 256 6
        classifier.1 classifier.4: 4096
        classifier.6: 1000
    """),
    "nin": _stages("""
        features.0: 192 32
        features.2: 160 32
        features.4: 96 32
        features.6: 96 16
        features.8 features.10 features.12: 192 16
        features.14 features.16 features.18: 192 8
        features.20: 10 8
        avgpool: 10 1
    """),
    "nin_imagenet": _stages("""
        features.0 features.2 features.4: 96 54
        features.6: 96 27
        features.7 features.9 features.11: 256 27
        features.13: 256 13
        features.14 features.16 features.18: 384 13
        features.20: 384 6
        features.22 features.24: 1024 6
        features.26: 1000 6
        avgpool: 1000 1
    """),
    "googlenet": _stages(_INCEPTION),
    "googlenet paper": _stages(_INCEPTION),
    "inception_v3": _stages("""
        Conv2d_1a_3x3: 32 149
        Conv2d_2a_3x3: 32 147
        Conv2d_2b_3x3: 64 147
        maxpool1: 64 73
        Conv2d_3b_1x1: 80 73
        Conv2d_4a_3x3: 192 71
        maxpool2: 192 35
        Mixed_5b: 256 35
        Mixed_5c Mixed_5d: 288 35
        Mixed_6a Mixed_6b Mixed_6c Mixed_6d Mixed_6e: 768 17
        Mixed_7a: 1280 8
        Mixed_7b Mixed_7c: 2048 8
        avgpool: 2048 1
        fc: 1000
    """),
    "squeezenet1_1_caffe": _stages("""
        conv1: 64 114
        maxpool1: 64 56
        fire2 fire3: 128 56
        maxpool3: 128 27
        fire4 fire5: 256 27
        maxpool5: 256 13
        fire6 fire7: 384 13
        fire8 fire9: 512 13
        conv10: 1000 13
        avgpool10: 1000 1
        flatten: 1000
    """),
    "squeezenet1_0_caffe": _stages("""
        conv1: 96 111
        maxpool1: 96 55
        fire2 fire3: 128 55
        fire4: 256 55
        maxpool4 fire5: 256 27
        fire6 fire7: 384 27
        fire8: 512 27
        maxpool8 fire9: 512 13
        conv10: 1000 13
        avgpool10: 1000 1
    """),
    "mobilenet_v1": _stages("""
        features.0 features.1.0: 32 112
        features.1: 64 112
        features.2.0: 64 56
        features.2 features.3: 128 56
        features.4.0: 128 28
        features.4 features.5: 256 28
        features.6.0: 256 14
        features.6 features.7 features.8 features.9 features.10 features.11: 512 14
        features.12.0: 512 7
        features.12 features.13: 1024 7
        avgpool: 1024 1
        classifier: 1000
    """),
    "mobilenet_v2": _stages("""
        features.0: 32 112
        features.1: 16 112
        features.2 features.3: 24 56
        features.4 features.5 features.6: 32 28
        features.7 features.8 features.9 features.10: 64 14
        features.11 features.12 features.13: 96 14
        features.14 features.15 features.16: 160 7
        features.17: 320 7
        features.18: 1280 7
        avgpool: 1280 1
        classifier: 1000
    """),
    **{
        f"{kind}{depth}": _stages(_RESNET.format(*(_BASIC if depth < 50 else _BOTTLENECK)))
        for kind in ("resnet", "plain", "preact_resnet")
        for depth in (18, 34, 50, 101, 152)
    },
    "resnet50 paper": _stages(_RESNET.format(*_BOTTLENECK)),
    **{
        f"{kind}{depth}": _stages(_RESNET_CIFAR)
        for kind in ("resnet", "plain", "preact_resnet")
        for depth in (20, 32, 44, 56, 110)
    },
    **{
        name: {
            f"features.{at}": (channels, side, side)
            for at, (channels, side) in zip(pools, _VGG, strict=True)
        }
        | _stages("avgpool: 512 7\nclassifier.0 classifier.3: 4096\nclassifier.6: 1000")
        for name, pools in _VGG_POOLS.items()
    },
    **{
        name: {
            f"features.{part}": (channels, side, side)
            for part, channels, side in zip(
                ("denseblock1", "transition1", "denseblock2", "transition2", "denseblock3",
                 "transition3", "denseblock4"),
                sizes, (56, 28, 28, 14, 14, 7, 7), strict=True,
            )
        }
        | {"avgpool": (sizes[-1], 1, 1), "classifier": (1000,)}
        for name, sizes in _DENSE.items()
    },
}  # fmt: skip

# Of each layer with its biases and batch normalisation.
PARAMETERS = {
    "course_cnn": {"conv1": 280, "conv2": 5_020, "conv3": 20_040, "output": 1_961},
    "alexnet": {
        "conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624,
        "fc6": 37_752_832, "fc7": 16_781_312, "fc8": 4_097_000,
    },
    "resnet20": {
        "conv1": 432, "bn1": 32, "layer1": 14_016, "layer2": 51_072, "layer3": 203_520, "fc": 650,
    },
}  # fmt: skip

OPTIONS = [
    ("alexnet", {"groups": 1}, 62_378_344),
    ("course_cnn", {"classes": 10}, 25_340 + 19_610),
    ("googlenet", {"auxiliaries": False}, 6_624_904),
    ("googlenet", {"auxiliaries": False, "form": "paper"}, 6_998_552),
    ("inception_v3", {"auxiliary": False}, 23_834_568),
    ("resnet50", {"form": "paper"}, 25_557_032),
    ("mobilenet_v1", {"width": 0.75}, 2_585_560),
    ("mobilenet_v1", {"width": 0.5}, 1_331_592),
    ("mobilenet_v1", {"width": 0.25}, 470_072),
    ("mobilenet_v2", {"width": 1.4}, 6_108_776),
]

# Of tests/shapes: the corpus, and which network with which options it is of.
CORPORA = [
    ("alexnet", "alexnet_torchvision", {}),
    ("googlenet", "googlenet", {"form": "paper", "auxiliaries": False}),
    ("mobilenet_v1", "mobilenet_v1", {}),
    ("mobilenet_v2", "mobilenet_v2", {}),
    ("resnet18", "resnet18", {}),
    ("resnet50", "resnet50", {}),
    ("squeezenet1_1", "squeezenet1_1_caffe", {}),
    ("vgg16", "vgg16", {}),
]
