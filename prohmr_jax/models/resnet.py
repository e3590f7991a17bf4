"""The encoder that sees a photo: ResNet (He et al., 2015), as torchvision has it.

The stride of a bottleneck is on its 3x3 convolution (v1.5), padding is explicit and
the same on both sides, and modules are named as in torchvision. Images are NHWC.
Convolutions may run in bfloat16; parameters, batch statistics and the features that
come out are float32.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.layers import HIGHEST, BatchNorm

# Name -> (bottlenecks instead of pairs of 3x3 convolutions, blocks of each stage).
RESNETS = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
}
# Outputs of a bottleneck over its inner width.
_EXPANSION = 4
# Sides of what comes out up to which a convolution is written as one product.
_FEW_PIXELS = 3


class Conv(nn.Module):
    """A convolution without bias, padded by half of its size on every side."""

    features: int
    size: int
    stride: int
    dtype: str

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        """Returns the filtered images; a stride divides their sides, rounded up."""
        half = jnp.dtype(self.dtype) == jnp.bfloat16
        precision = jax.lax.Precision.DEFAULT if half else HIGHEST
        shape = (self.size, self.size, x.shape[-1], self.features)
        init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
        kernel = self.param("kernel", init, shape).astype(self.dtype)
        x = x.astype(self.dtype)
        if self.size == 1:
            # One product over all pixels: on CPU, half the time of a convolution.
            x = x[:, :: self.stride, :: self.stride]
            rows = x.reshape(-1, x.shape[-1])
            y = jnp.matmul(rows, kernel[0, 0], precision=precision)
            return y.reshape(*x.shape[:-1], self.features)
        if max(x.shape[1:3]) <= _FEW_PIXELS * self.stride:
            # XLA's convolution of 2x2 images is a hundred times slower on CPU.
            x = _windows(x, self.size, self.stride)
            rows = x.reshape(-1, x.shape[-1])
            y = jnp.matmul(rows, kernel.reshape(-1, self.features), precision=precision)
            return y.reshape(*x.shape[:-1], self.features)
        return jax.lax.conv_general_dilated(
            x,
            kernel,
            window_strides=(self.stride, self.stride),
            padding=[(self.size // 2, self.size // 2)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
            precision=precision,
        )


def _windows(x: Float[Array, "B H W C"], size: int, stride: int) -> Float[Array, "*b"]:
    """Returns every window side by side, [B, h, w, size * size * C], zero beyond."""
    height, width = (-(-side // stride) for side in x.shape[1:3])
    half = size // 2
    x = jnp.pad(x, [(0, 0), (half, half), (half, half), (0, 0)])
    rows, columns = (slice(None, stride * (n - 1) + 1, stride) for n in (height, width))
    return jnp.concatenate(
        [
            x[:, row:, column:][:, rows, columns]
            for row in range(size)
            for column in range(size)
        ],
        axis=-1,
    )


class ResidualBlock(nn.Module):
    """relu(shortcut(x) + branch(x)); the branch is 1x1, 3x3, 1x1 or 3x3, 3x3."""

    width: int
    stride: int
    bottleneck: bool
    dtype: str
    axis_name: str | None

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"], train: bool) -> Float[Array, "*b"]:
        """Returns the block's output, of `width` channels or four times as many."""

        def conv(features, size, stride, name):
            return Conv(features, size, stride, self.dtype, name=name)

        def norm(name):
            return BatchNorm(not train, self.axis_name, name=name)

        wide = self.width * _EXPANSION
        layers = [(self.width, 3, self.stride), (self.width, 3, 1)]
        if self.bottleneck:
            layers = [(self.width, 1, 1), layers[0], (wide, 1, 1)]
        h = x
        for number, (features, size, stride) in enumerate(layers, start=1):
            h = nn.relu(h) if number > 1 else h
            h = conv(features, size, stride, f"conv{number}")(h)
            h = norm(f"bn{number}")(h)
        if x.shape != h.shape:
            x = conv(h.shape[-1], 1, self.stride, "downsample_0")(x)
            x = norm("downsample_1")(x)
        return nn.relu(x + h)


class ResNet(nn.Module):
    """Images to the mean over positions of the last stage.

    Attributes:
      bottleneck: blocks of 1x1, 3x3, 1x1 convolutions instead of two 3x3.
      stages: blocks of each stage; from the second on, a stage halves the sides.
      dtype: "float32" or "bfloat16", of convolutions and activations.
      axis_name: mapped axis over which batch statistics are averaged, if any.
      width: channels of the stem; each stage doubles them.
    """

    bottleneck: bool
    stages: Sequence[int]
    dtype: str = "float32"
    axis_name: str | None = None
    width: int = 64

    @property
    def features(self) -> int:
        """Width of what comes out."""
        last = self.width * 2 ** (len(self.stages) - 1)
        return last * _EXPANSION if self.bottleneck else last

    def example_input(self) -> Float[Array, "1 32 32 3"]:
        """Returns the smallest input that meets every weight, for initialisation."""
        return jnp.zeros((1, 32, 32, 3))

    @nn.compact
    def __call__(
        self, images: Float[Array, "B H W 3"], train: bool = False
    ) -> Float[Array, "B C"]:
        """Returns the features of images, float32.

        Args:
          images: as `pixels.normalize` gives them; any size.
          train: normalises by the statistics of the batch instead of running ones.
        """
        x = Conv(self.width, 7, 2, self.dtype, name="conv1")(images)
        x = max_pool(nn.relu(BatchNorm(not train, self.axis_name, name="bn1")(x)))
        for stage, blocks in enumerate(self.stages):
            for block in range(blocks):
                x = ResidualBlock(
                    width=self.width * 2**stage,
                    stride=2 if stage > 0 and block == 0 else 1,
                    bottleneck=self.bottleneck,
                    dtype=self.dtype,
                    axis_name=self.axis_name,
                    name=f"layer{stage + 1}_{block}",
                )(x, train)
        return jnp.mean(x, axis=(1, 2), dtype=jnp.promote_types(x.dtype, jnp.float32))


def resnet(name: str, dtype: str, axis_name: str | None = None) -> ResNet:
    """Returns the ResNet of a name in `RESNETS`."""
    bottleneck, stages = RESNETS[name]
    return ResNet(bottleneck, stages, dtype, axis_name)


def max_pool(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Returns the maxima of 3x3 windows, stride 2, padding 1.

    Written as nine shifted images: the gradient then is a few additions, where that
    of a window reduction scatters (eight times slower on CPU).
    """
    height, width = (-(-side // 2) for side in x.shape[1:3])
    padding = [(1, 2 * n - side) for n, side in zip((height, width), x.shape[1:3],
                                                    strict=True)]  # fmt: skip
    x = jnp.pad(x, [(0, 0), *padding, (0, 0)], constant_values=-jnp.inf)
    windows = [
        x[:, row : row + 2 * height - 1 : 2, column : column + 2 * width - 1 : 2]
        for row in range(3)
        for column in range(3)
    ]
    return jax.tree.reduce(jnp.maximum, windows)
