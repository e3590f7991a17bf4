"""Encodes images to a context by a ResNet (He et al., 2015) as in torchvision.

The stride of a bottleneck is that of its 3x3 convolution (version 1.5), padding is
explicit and equal on both sides, and modules have the names of torchvision. Images are
NHWC. Convolutions may run in bfloat16; parameters, batch statistics and the resulting
features are float32.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.models.layers import HIGHEST, BatchNorm

# Name -> (whether blocks are bottlenecks, number of blocks of each stage).
RESNETS = {
    "resnet18": (False, (2, 2, 2, 2)),
    "resnet34": (False, (3, 4, 6, 3)),
    "resnet50": (True, (3, 4, 6, 3)),
    "resnet101": (True, (3, 4, 23, 3)),
    "resnet152": (True, (3, 8, 36, 3)),
}
# Ratio of a bottleneck's outputs to its inner width.
_EXPANSION = 4
# Convolutions whose output has at most this side are written as one matrix product.
_FEW_PIXELS = 3


class Conv(nn.Module):
    """Computes a convolution without bias, padded by half the kernel on every side."""

    features: int
    """Number of output channels."""
    size: int
    """Side of the kernel, pixels."""
    stride: int
    """Step between output pixels, pixels of the input."""
    dtype: str
    """Type of the products: "float32" or "bfloat16"."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B h w D"]:
        """Returns the filtered images, with sides divided by the stride, rounded up."""
        half = jnp.dtype(self.dtype) == jnp.bfloat16
        precision = jax.lax.Precision.DEFAULT if half else HIGHEST
        shape = (self.size, self.size, x.shape[-1], self.features)
        init = nn.initializers.variance_scaling(2.0, "fan_out", "normal")
        kernel = self.param("kernel", init, shape).astype(self.dtype)
        x = x.astype(self.dtype)
        if self.size == 1:
            # On CPU, one product over all pixels takes half the time of a convolution.
            x = x[:, :: self.stride, :: self.stride]
            rows = x.reshape(-1, x.shape[-1])
            y = jnp.matmul(rows, kernel[0, 0], precision=precision)
            return y.reshape(*x.shape[:-1], self.features)
        if max(x.shape[1:3]) <= _FEW_PIXELS * self.stride:
            # On CPU, XLA's convolution of 2x2 images is a hundred times slower.
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


def _windows(
    x: Float[Array, "B H W C"], size: int, stride: int
) -> Float[Array, "B h w D"]:
    """Returns the pixels of each window in a row of size * size * C numbers.

    Pixels outside the image are zero.
    """
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
    """Computes relu(shortcut(x) + branch(x)).

    The branch has convolutions of 1x1, 3x3 and 1x1 (bottleneck), or two of 3x3.
    """

    width: int
    """Number of channels inside the branch."""
    stride: int
    """Stride of the first 3x3 convolution."""
    bottleneck: bool
    """Whether the branch is a bottleneck, with four times `width` outputs."""
    dtype: str
    """Type of the convolutions: "float32" or "bfloat16"."""
    axis_name: str | None
    """Mapped axis over which batch statistics are averaged, if any."""

    @nn.compact
    def __call__(
        self, x: Float[Array, "B H W C"], train: bool
    ) -> Float[Array, "B h w D"]:
        """Returns the block's output; see `ResNet`."""

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
    """Maps images to features: the mean over positions of the last stage."""

    bottleneck: bool
    """Whether blocks are bottlenecks instead of pairs of 3x3 convolutions."""
    stages: Sequence[int]
    """Number of blocks of each stage; from the second on, a stage halves the sides."""
    dtype: str = "float32"
    """Type of convolutions and activations: "float32" or "bfloat16"."""
    axis_name: str | None = None
    """Mapped axis over which batch statistics are averaged, if any."""
    width: int = 64
    """Number of channels of the first stage; each further stage doubles it."""

    @property
    def features(self) -> int:
        """Returns the number of features of an image."""
        last = self.width * 2 ** (len(self.stages) - 1)
        return last * _EXPANSION if self.bottleneck else last

    def example_input(self) -> Float[Array, "1 32 32 3"]:
        """Returns a small input that uses every weight, to initialise them with."""
        return jnp.zeros((1, 32, 32, 3))

    @nn.compact
    def __call__(
        self, images: Float[Array, "B H W 3"], train: bool = False
    ) -> Float[Array, "B C"]:
        """Returns the features of images, float32.

        Args:
          images: crops of any size, normalised by `image_input.normalize`.
          train: normalises by batch statistics instead of running averages.
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
    """Returns the ResNet of a name in `RESNETS`.

    Args:
      name: for example "resnet50".
      dtype: type of convolutions and activations, "float32" or "bfloat16".
      axis_name: mapped axis over which batch statistics are averaged, if any.
    """
    bottleneck, stages = RESNETS[name]
    return ResNet(bottleneck, stages, dtype, axis_name)


def max_pool(x: Float[Array, "B H W C"]) -> Float[Array, "B h w C"]:
    """Returns the maxima of 3x3 windows with stride 2 and padding 1.

    The maximum is taken over nine shifted images, whose gradient is a few additions;
    the gradient of a window reduction scatters, which is eight times slower on CPU.
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
