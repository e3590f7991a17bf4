"""Counts what a training step on photos must cost, and reads what it does cost.

The counts cover linear layers alone and do not depend on how a step is written. Work
that a compiled step does twice, or sends twice between devices, shows against them. The
benchmark of training and its tests compare both.
"""

import dataclasses
import re
from typing import Any

import jax
import numpy as np

from prohmr_jax.models.discriminator import NUM_JOINTS, Discriminator
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import ProHMR
from prohmr_jax.models.resnet import ResNet
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.train_state import TrainState

# Passes through the flow in a step, each with batch norms of its own rows: the samples,
# the mode, and the likelihood of the labels.
_FLOW_PASSES = 3
# Passes of about equal work: forward, gradients of inputs, gradients of weights.
_FORWARDS_PER_STEP = 3
_COLLECTIVE = re.compile(
    r"= (.+?) (?:all-reduce|all-gather|reduce-scatter|all-to-all|ragged-all-to-all"
    r"|collective-permute|collective-broadcast)(?:-start)?\("
)
_ARRAY = re.compile(r"\b(?:pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class CompiledCosts:
    """Holds the costs of one device, as the compiler reports them."""

    flops: float
    """Number of operations, elementwise ones included."""
    argument_bytes: int
    """Size of the arguments, bytes."""
    temporary_bytes: int
    """Size of temporary arrays, bytes."""
    peak_bytes: int
    """Size of arguments, temporaries, and results that do not reuse an argument's
    memory, bytes."""
    exchanged_bytes: int
    """Size of the results of all collectives, bytes, however they are sent."""
    num_collectives: int
    """Number of collectives."""


@dataclasses.dataclass(frozen=True)
class ExchangedBytes:
    """Holds the least that devices must exchange in a step, bytes of float32."""

    gradients: int
    """Size of the gradients of model and discriminator, bytes."""
    statistics: int
    """Size of the sums of batch norms, bytes: two per feature forward and two back, in
    every pass."""
    scalars: int
    """Size of losses, terms and counts, bytes."""

    @property
    def total(self) -> int:
        """Returns the sum of all sizes, bytes."""
        return self.gradients + self.statistics + self.scalars


def compiled_costs(compiled: jax.stages.Compiled) -> CompiledCosts:
    """Returns the costs that the compiler reports for a compiled function."""
    memory = compiled.memory_analysis()
    sizes = collective_sizes(compiled.as_text())
    arguments = memory.argument_size_in_bytes
    temporary = memory.temp_size_in_bytes
    fresh = memory.output_size_in_bytes - memory.alias_size_in_bytes
    return CompiledCosts(
        flops=compiled.cost_analysis()["flops"],
        argument_bytes=arguments,
        temporary_bytes=temporary,
        peak_bytes=arguments + temporary + fresh,
        exchanged_bytes=sum(sizes),
        num_collectives=len(sizes),
    )


def collective_sizes(hlo: str) -> list[int]:
    """Returns the size of the result of each collective of a compiled module, bytes.

    Args:
      hlo: text of the compiled module.
    """
    return [
        sum(
            int(bits or 8) // 8 * int(np.prod([int(n) for n in shape.split(",") if n]))
            for bits, shape in _ARRAY.findall(match[1])
        )
        for match in _COLLECTIVE.finditer(hlo)
    ]


def least_exchange(state: TrainState) -> ExchangedBytes:
    """Returns the least that devices must exchange: every sum over the batch.

    Args:
      state: training state of an image model; only its shapes are read.
    """
    stats = state.batch_stats
    passes = {"encoder": 1, "flow": _FLOW_PASSES}
    norms = sum(
        number * len(jax.tree.leaves(stats.get(part, {}))) // 2
        for part, number in passes.items()
    )
    # There are two sums per feature in each direction, as there are running averages.
    statistics = sum(
        number * 2 * _num_bytes(stats.get(part, {})) for part, number in passes.items()
    )
    # The losses of model and discriminator, the terms, the number of rows of each batch
    # norm, and the number of labelled poses.
    scalars = 2 + len(dataclasses.fields(LossTerms)) + norms + 1
    return ExchangedBytes(
        gradients=_num_bytes(state.params) + _num_bytes(state.discriminator_params),
        statistics=statistics,
        scalars=4 * scalars,
    )


def _num_bytes(tree: Any) -> int:
    return sum(4 * int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def step_flops(model: ProHMR, people: int, side_px: int, samples: int) -> int:
    """Returns the operations of a step's linear layers: three times the forward pass.

    Args:
      model: model with a ResNet.
      people: number of people in the batch.
      side_px: side of the crops, pixels.
      samples: number of bodies of each person, the mode included.
    """
    head = model.head
    outputs = head.num_betas + len(head.mean_camera)
    per_person = (
        resnet_multiply_adds(model.encoder, side_px)
        + _FLOW_PASSES * context_multiply_adds(model.flow)
        # The label is one row more.
        + (samples + 1) * flow_multiply_adds(model.flow)
        + head.hidden_features * (head.context_features + outputs)
        # The discriminator judges predicted bodies twice, for its own loss and for the
        # model's, and captured bodies once.
        + 3 * samples * discriminator_multiply_adds(Discriminator.hidden_features)
    )
    return 2 * _FORWARDS_PER_STEP * people * per_person


def resnet_multiply_adds(encoder: ResNet, side_px: int) -> int:
    """Returns the multiply-adds of a ResNet's convolutions for one image.

    Args:
      encoder: the ResNet.
      side_px: side of the image, pixels.
    """
    half = lambda side: -(-side // 2)  # noqa: E731
    side = half(side_px)
    total = side**2 * 7**2 * 3 * encoder.width
    side, channels = half(side), encoder.width
    for stage, blocks in enumerate(encoder.stages):
        width = encoder.width * 2**stage
        wide = 4 * width if encoder.bottleneck else width
        for block in range(blocks):
            after = half(side) if stage and not block else side
            if encoder.bottleneck:
                total += side**2 * channels * width
                total += after**2 * (3**2 * width**2 + width * wide)
            else:
                total += after**2 * 3**2 * (channels * width + width**2)
            if after != side or channels != wide:
                total += after**2 * channels * wide
            side, channels = after, wide
    return total


def flow_multiply_adds(flow: ConditionalGlow) -> int:
    """Returns the multiply-adds of the flow for one row with a projected context."""
    hidden, half = flow.hidden_features, flow.features // 2
    residual = 2 * flow.num_blocks * hidden**2
    return flow.num_layers * (flow.features**2 + 2 * half * hidden + residual)


def context_multiply_adds(flow: ConditionalGlow) -> int:
    """Returns the multiply-adds that project one context for every layer."""
    return flow.num_layers * flow.context_features * flow.hidden_features


def discriminator_multiply_adds(hidden: int) -> int:
    """Returns the multiply-adds of the discriminator for one body, without its shape.

    Args:
      hidden: number of hidden features.
    """
    joints = NUM_JOINTS * 32 * (9 + 32 + 1)
    return joints + hidden * (NUM_JOINTS * 32 + hidden + 1)
