"""Defines MobileNetV2 (Sandler et al., 2018), which is the backbone of MoveNet.

Batch normalisation is folded into the weights, as the published weights have it, so
the layers are convolutions with a bias.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

HIGHEST = jax.lax.Precision.HIGHEST
# The weights are always read from files. Flax traces the initialiser of each of them
# wherever the network is traced, and random ones would take half of that time.
KERNEL_INIT = nn.initializers.zeros

# Channels at width 1 of the output of each block, and the stride of the block.
BLOCKS = (
    (16, 1),
    (24, 2), (24, 1),
    (32, 2), (32, 1), (32, 1),
    (64, 2), (64, 1), (64, 1), (64, 1), (96, 1), (96, 1), (96, 1),
    (160, 2), (160, 1), (160, 1), (320, 1),
)  # fmt: skip
# The blocks whose outputs are returned, at strides 4, 8 and 16.
TAPPED_BLOCKS = (2, 5, 9)
STEM_CHANNELS = 32
FEATURE_CHANNELS = 1280
# The first block has no expansion; the others widen their input by this factor.
_EXPANSION = 6


@struct.dataclass
class BackboneMaps:
    """Holds feature maps of an image batch, by their stride in pixels of the input."""

    stride_4: Float[Array, "B h4 w4 C4"]
    stride_8: Float[Array, "B h8 w8 C8"]
    stride_16: Float[Array, "B h16 w16 C16"]
    features: Float[Array, "B h32 w32 1280"]
    """The last map, at stride 32, with values in [0, 6]."""


class DepthwiseConv(nn.Module):
    """Applies a zero-padded 3 x 3 convolution to each channel by itself.

    It is written as a sum of nine shifted images, each times a weight per channel:
    XLA's grouped convolution takes five to eight times as long on a CPU.

    Attributes:
      stride: 1 or 2; with 2 and even sides the padding is right and below only.
      use_bias: whether a bias is added.
    """

    stride: int = 1
    use_bias: bool = True

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
        """Returns the filtered images; the stride divides their sides, rounded up."""
        channels = x.shape[-1]
        kernel = self.param("kernel", KERNEL_INIT, (3, 3, channels))
        height, width = (-(-side // self.stride) for side in x.shape[1:3])
        padding = [
            _same_padding(side, self.stride, out)
            for side, out in zip(x.shape[1:3], (height, width), strict=True)
        ]
        x = jnp.pad(x, [(0, 0), *padding, (0, 0)])
        rows, columns = (
            slice(None, self.stride * (out - 1) + 1, self.stride)
            for out in (height, width)
        )
        y = sum(
            x[:, row:, column:][:, rows, columns] * kernel[row, column]
            for row in range(3)
            for column in range(3)
        )
        if self.use_bias:
            y = y + self.param("bias", nn.initializers.zeros, (channels,))
        return y


def _same_padding(side: int, stride: int, out: int) -> tuple[int, int]:
    """Returns zeros before and after, as TensorFlow's "SAME" divides them."""
    total = max((out - 1) * stride + 3 - side, 0)
    return total // 2, total - total // 2


def pointwise(features: int, name: str, use_bias: bool = True) -> nn.Dense:
    """Returns a 1 x 1 convolution, which is a linear layer on the channels."""
    return nn.Dense(
        features,
        use_bias=use_bias,
        precision=HIGHEST,
        kernel_init=KERNEL_INIT,
        name=name,
    )


class InvertedResidual(nn.Module):
    """Widens, filters each channel, and narrows (Sandler et al., Fig. 3).

    Attributes:
      channels: of the output.
      stride: of the depthwise convolution.
      expand: whether the input is widened first.
    """

    channels: int
    stride: int
    expand: bool

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        """Returns the block's output, with the input added where shapes agree."""
        y = x
        if self.expand:
            y = nn.relu6(pointwise(_EXPANSION * x.shape[-1], "expand")(y))
        y = nn.relu6(DepthwiseConv(self.stride, name="depthwise")(y))
        y = pointwise(self.channels, "project")(y)
        return x + y if x.shape == y.shape else y


class MobileNetV2(nn.Module):
    """Turns images into feature maps at strides 4, 8, 16 and 32.

    Attributes:
      width: factor on the channels of every block; the last map has always 1280.
    """

    width: float

    @nn.compact
    def __call__(self, x: Float[Array, "B H W 3"]) -> BackboneMaps:
        """Returns the feature maps of images with values in [-1, 1].

        The sides of the images are multiples of 32.
        """
        stem = _scaled(STEM_CHANNELS, self.width)
        x = nn.Conv(
            stem,
            (3, 3),
            (2, 2),
            "SAME",
            precision=HIGHEST,
            kernel_init=KERNEL_INIT,
            name="stem",
        )(x)
        x = nn.relu6(x)
        outputs = []
        for number, (channels, stride) in enumerate(BLOCKS):
            x = InvertedResidual(
                channels=_scaled(channels, self.width),
                stride=stride,
                expand=number > 0,
                name=f"block_{number}",
            )(x)
            outputs.append(x)
        features = nn.relu6(pointwise(FEATURE_CHANNELS, "features")(x))
        return BackboneMaps(*(outputs[number] for number in TAPPED_BLOCKS), features)


def _scaled(channels: int, width: float) -> int:
    """Returns the channels at a width, the nearest multiple of 8."""
    return int(channels * width + 4) // 8 * 8
