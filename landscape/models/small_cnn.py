"""A small convolutional network for tests and for images of 28 to 64 pixels."""

from torch import Tensor, nn


class SmallCNN(nn.Module):
    """Four 3 x 3 convolutions with batch norm and ReLU, globally pooled: images (B, 3, S, S) to codes (B, 64).

    60,688 parameters. Any image of at least 8 pixels will do.
    """

    feature_dim = 64

    def __init__(self) -> None:
        super().__init__()
        self.stem = _block(3, 16, stride=2)
        self.stage1 = _block(16, 32, stride=2)
        self.stage2 = _block(32, 64, stride=2)
        self.stage3 = _block(64, 64, stride=1)

    def forward(self, images: Tensor) -> Tensor:
        """Latent codes (B, 64)."""
        maps: Tensor = self.stage3(self.stage2(self.stage1(self.stem(images))))
        return maps.mean((2, 3))


def _block(channels: int, out: int, *, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride=stride, padding=1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )
