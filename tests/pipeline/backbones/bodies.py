"""Networks made for the tests."""

from torch import nn


class Backwards(nn.Module):
    """A normalisation that runs before its convolution, and stands behind it in the order of submodules."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.second.running_var *= 4
        self.second.running_mean += 1

    def forward(self, images):
        return self.first(self.second(images))
