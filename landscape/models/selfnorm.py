r"""SelfNorm: every channel's mean and deviation are recalibrated by a learned gate.

Tang et al., CrossNorm and SelfNorm for Generalization under Distribution Shifts, ICCV 2021, section 3. For the maps
:math:`x` of one channel with mean :math:`\mu` and standard deviation :math:`\sigma` over the pixels of one image,

.. math:: g = \mathrm{sigmoid}(\mathrm{BN}(w_1 \mu + w_2 \sigma)), \qquad x \leftarrow g x

in the authors' code, or with a second gate :math:`f` of the same form for the mean, as in the paper,
:math:`x \leftarrow g (x - \mu) + f \mu`. The layers have the names and shapes of the authors' code.

The authors' gates start around 1/2 at every block, which shrinks the signal of a pretrained network by orders of
magnitude. Ours start at :data:`GATE` exactly (w is 0, BN's bias 6.9), whether batch norm is frozen or trained. A bias
of 4 (g = .98) is not enough, for the gates multiply: the logits of a random ResNet-18 and ResNet-50 and of a pretrained
EfficientNet-Lite0 change by about 13, 25 and 48 %; with .999 by 1 to 3 %. The gates' own batch norm follows the
network's policy: frozen, it is an affine map.
"""

import math
from typing import Any

import torch
from timm.models import _efficientnet_blocks as mbconv
from timm.models import densenet as timm_densenet
from timm.models import resnet as timm_resnet
from torch import Tensor, nn
from torchvision.models import densenet, resnet

from landscape.errors import InputError
from landscape.models.small_cnn import SmallCNN

GATE = 0.999
_EPS = 1e-12


class SelfNorm(nn.Module):
    """Feature maps (B, C, H, W) to feature maps of the same shape.

    Args:
        channels: C.
        two_gates: a gate of its own for the mean.
        published: start from the authors' random gates around 1/2.
    """

    def __init__(self, channels: int, *, two_gates: bool = False, published: bool = False) -> None:
        super().__init__()
        for gate in ("g", "f") if two_gates else ("g",):
            linear = nn.Conv1d(channels, channels, 2, groups=channels, bias=False)
            norm = nn.BatchNorm1d(channels)
            if not published:
                nn.init.zeros_(linear.weight)
                nn.init.constant_(norm.bias, math.log(GATE / (1 - GATE)))
            self.add_module(f"{gate}_fc", linear)
            self.add_module(f"{gate}_bn", norm)
        self.two_gates = two_gates

    def forward(self, maps: Tensor) -> Tensor:
        """Recalibrated maps (B, C, H, W)."""
        # The deviation's epsilon is too small for half precision.
        pixels = maps.flatten(2) if maps.dtype == torch.float64 else maps.flatten(2).float()
        # The variance of a single pixel is 0.
        variance, mean = torch.var_mean(pixels, 2, correction=min(1, pixels.shape[2] - 1))
        statistics = torch.stack((mean, (variance + _EPS).sqrt()), 2)
        g = self._gate("g", statistics).to(maps.dtype)
        if not self.two_gates:
            return maps * g
        f = self._gate("f", statistics).to(maps.dtype)
        return maps * g + mean.to(maps.dtype)[:, :, None, None] * (f - g)

    def _gate(self, gate: str, statistics: Tensor) -> Tensor:
        linear, norm = self.get_submodule(f"{gate}_fc"), self.get_submodule(f"{gate}_bn")
        opened: Tensor = torch.sigmoid(norm(linear(statistics)))
        return opened[..., None]


def add_selfnorm(backbone: nn.Module, options: tuple[str, ...], name: str) -> None:
    """Put a SelfNorm into every block of a backbone: after the residual sum, before the block's last ReLU.

    Blocks that end without a ReLU (EfficientNet's) have it on their output; so have the layers of a DenseNet, on the
    channels that they add, and the convolutions of ``small_cnn`` after its stem, before their ReLU. No other layer is
    renamed or changed.

    Args:
        backbone: changed in place.
        options: ``two`` for two gates, ``published`` for the authors' start.
        name: what the network is called in messages.

    Raises:
        InputError: a network without such blocks.
    """

    def new(last: nn.Module) -> SelfNorm:
        """For the output of this convolution."""
        assert isinstance(last, nn.Conv2d)
        return SelfNorm(last.out_channels, two_gates="two" in options, published="published" in options)

    blocks = [block for block in backbone.modules() if isinstance(block, _BLOCKS)]
    for block in blocks:
        if isinstance(block, resnet.BasicBlock | resnet.Bottleneck):
            bottleneck = isinstance(block, resnet.Bottleneck)
            block.selfnorm = new(block.conv3 if bottleneck else block.conv2)
            block.__class__ = _Bottleneck if bottleneck else _BasicBlock  # the same tensors, another forward pass
        elif isinstance(block, timm_resnet.BasicBlock):
            block.act2 = nn.Sequential(new(block.conv2), block.act2)
        elif isinstance(block, timm_resnet.Bottleneck):
            block.act3 = nn.Sequential(new(block.conv3), block.act3)
        elif isinstance(block, SmallCNN):
            for stage in (block.stage1, block.stage2, block.stage3):
                stage[2] = nn.Sequential(new(stage[0]), stage[2])
        else:
            block.selfnorm = new([layer for layer in block.modules() if isinstance(layer, nn.Conv2d)][-1])
            block.register_forward_hook(_at_the_end)
    if not blocks:
        raise InputError(
            f"selfnorm goes into the blocks of ResNets, EfficientNets (and other MBConv networks), DenseNets and "
            f"small_cnn; {name} has none of these."
        )


def _at_the_end(block: nn.Module, inputs: Any, output: Tensor) -> Tensor:
    # The block's own, so that a copy of the block uses the copy.
    recalibrated: Tensor = block.get_submodule("selfnorm")(output)
    return recalibrated


class _BasicBlock(resnet.BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return _end(self, out, x)


class _Bottleneck(resnet.Bottleneck):
    def forward(self, x: Tensor) -> Tensor:
        out = self.relu(self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x))))))
        return _end(self, self.bn3(self.conv3(out)), x)


def _end(block: Any, out: Tensor, x: Tensor) -> Tensor:
    """The end of torchvision's residual blocks, with SelfNorm before the ReLU."""
    out += x if block.downsample is None else block.downsample(x)
    recalibrated: Tensor = block.relu(block.selfnorm(out))
    return recalibrated


_BLOCKS = (
    resnet.BasicBlock,
    resnet.Bottleneck,
    timm_resnet.BasicBlock,
    timm_resnet.Bottleneck,
    SmallCNN,
    # Those without a ReLU at their end.
    mbconv.InvertedResidual,
    mbconv.DepthwiseSeparableConv,
    mbconv.EdgeResidual,
    densenet._DenseLayer,
    timm_densenet.DenseLayer,
)
