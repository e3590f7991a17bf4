"""MoveNet has a backbone, a feature pyramid and dense heads at stride 4.

The design is CenterNet's (Zhou et al., 2019) on MobileNetV2 with a feature pyramid (Lin
et al., 2017). `thunder` looks at one person in a crop, `multipose` at several people.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, Num

from prohmr_jax.models.movenet.backbone import (
    HIGHEST,
    BackboneMaps,
    DepthwiseConv,
    MobileNetV2,
    pointwise,
)
from prohmr_jax.skeleton import COCO_17

# Pixels of the input per cell of the maps that the heads predict.
CELL = 4
# The sides of the input are multiples of this.
SIDE_MULTIPLE = 32
_HEAD_CHANNELS = 96
_JOINTS = len(COCO_17)


@struct.dataclass
class PyramidMaps:
    """Holds feature maps of the pyramid, from coarse to fine."""

    stride_16: Float[Array, "B h16 w16 32"]
    stride_8: Float[Array, "B h8 w8 24"]
    stride_4: Float[Array, "B h4 w4 24"]
    """The map that the heads read."""


@struct.dataclass
class HeadMaps:
    """Holds dense predictions per cell of 4 x 4 pixels; positions are (y, x) in cells.

    Vectors to joints and sizes are measured in cells, from the cell's own index.
    """

    center: Float[Array, "*b h w"]
    """Logit of a person's centre being in the cell."""
    heatmap: Float[Array, "*b h w 17"]
    """Logit of each joint of COCO_17 being in the cell."""
    joint_vectors: Float[Array, "*b h w 17 2"]
    """Rough vectors from the centre of a person to the joints."""
    joint_offsets: Float[Array, "*b h w 17 2"]
    """Vectors from the cell of a joint to its precise position."""
    box_offset: Float[Array, "*b h w 2"] | None = None
    """Vectors from the cell of a centre to the precise centre of the box; None in
    thunder."""
    box_size: Float[Array, "*b h w 2"] | None = None
    """Height and width of the box; None in thunder."""


@struct.dataclass
class MoveNetOutput:
    """Holds everything that the network computes of an image batch."""

    backbone: BackboneMaps
    pyramid: PyramidMaps
    heads: HeadMaps


class FeaturePyramid(nn.Module):
    """Adds coarse maps, enlarged, to finer ones, and filters the sums."""

    @nn.compact
    def __call__(self, maps: BackboneMaps) -> PyramidMaps:
        """Returns the filtered maps at strides 16, 8 and 4."""
        lateral_32 = pointwise(64, "lateral_32")(maps.features)
        sum_16 = doubled(lateral_32) + pointwise(64, "lateral_16")(maps.stride_16)
        stride_16 = SeparableConv(32, name="filter_16")(sum_16)
        sum_8 = doubled(stride_16) + pointwise(32, "lateral_8")(maps.stride_8)
        stride_8 = SeparableConv(24, name="filter_8")(sum_8)
        sum_4 = doubled(stride_8) + pointwise(24, "lateral_4")(maps.stride_4)
        stride_4 = SeparableConv(24, name="filter_4")(sum_4)
        return PyramidMaps(stride_16, stride_8, stride_4)


class SeparableConv(nn.Module):
    """Applies a depthwise 3 x 3 convolution, a 1 x 1 convolution, and relu."""

    features: int

    @nn.compact
    def __call__(self, x: Float[Array, "B h w C"]) -> Float[Array, "B h w D"]:
        """Returns maps of `features` channels and the same sides."""
        x = DepthwiseConv(use_bias=False, name="depthwise")(x)
        return nn.relu(pointwise(self.features, "pointwise")(x))


class Head(nn.Module):
    """Predicts `outputs` numbers in every cell."""

    outputs: int

    @nn.compact
    def __call__(self, x: Float[Array, "B h w 24"]) -> Float[Array, "B h w D"]:
        """Returns the predictions of a pyramid's finest map."""
        x = SeparableConv(_HEAD_CHANNELS, name="filter")(x)
        return pointwise(self.outputs, "output")(x)


class MoveNet(nn.Module):
    """Turns images into dense predictions: centres, joints and, at need, boxes.

    Attributes:
      width: factor on the channels of the backbone.
      has_boxes: whether the network predicts boxes around people.
    """

    width: float
    has_boxes: bool

    def example_input(self) -> Float[Array, "1 32 32 3"]:
        """Returns the smallest input, for initialisation."""
        return jnp.zeros((1, SIDE_MULTIPLE, SIDE_MULTIPLE, 3))

    @nn.compact
    def __call__(self, images: Num[Array, "B H W 3"]) -> MoveNetOutput:
        """Returns all maps of a batch of images.

        Args:
          images: RGB in [0, 255], of any number type; sides are multiples of 32.
        """
        if any(side % SIDE_MULTIPLE for side in images.shape[1:3]):
            raise ValueError(f"sides {images.shape[1:3]} are no multiples of 32")
        pixels = images.astype(jnp.float32) * (2.0 / 255.0) - 1.0
        backbone = MobileNetV2(self.width, name="backbone")(pixels)
        pyramid = FeaturePyramid(name="pyramid")(backbone)

        def head(outputs, name):
            return Head(outputs, name=name)(pyramid.stride_4)

        def per_joint(maps):
            return maps.reshape(*maps.shape[:-1], _JOINTS, 2)

        heads = HeadMaps(
            center=head(1, "center")[..., 0],
            heatmap=head(_JOINTS, "heatmap"),
            joint_vectors=per_joint(head(2 * _JOINTS, "joint_vectors")),
            joint_offsets=per_joint(head(2 * _JOINTS, "joint_offsets")),
        )
        if self.has_boxes:
            heads = heads.replace(
                box_offset=head(2, "box_offset"), box_size=head(2, "box_size")
            )
        return MoveNetOutput(backbone, pyramid, heads)


def thunder() -> MoveNet:
    """Returns the network that looks at a crop of 256 x 256 around one person."""
    return MoveNet(width=1.75, has_boxes=False)


def multipose() -> MoveNet:
    """Returns the network that looks at a photo of several people."""
    return MoveNet(width=1.5, has_boxes=True)


def doubled(maps: Float[Array, "B h w C"]) -> Float[Array, "B H W C"]:
    """Returns maps of twice the sides, by bilinear interpolation between centres."""
    batch, height, width, channels = maps.shape
    shape = (batch, 2 * height, 2 * width, channels)
    return jax.image.resize(maps, shape, "bilinear", precision=HIGHEST)
