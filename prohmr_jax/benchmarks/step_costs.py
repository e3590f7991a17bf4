"""What a training step on photos has to cost, and what the compiled step does cost.

The counts are of linear layers alone and know nothing of how a step is written: work
that is done twice, or sent twice between devices, stands out against them.
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

# Draws, mode, likelihood: each normalises by its own rows.
_FLOW_PASSES = 3
# Forward, gradients by inputs, gradients by weights: about as much work each.
_FORWARDS_PER_STEP = 3
_COLLECTIVE = re.compile(
    r"= (.+?) (?:all-reduce|all-gather|reduce-scatter|all-to-all|ragged-all-to-all"
    r"|collective-permute|collective-broadcast)(?:-start)?\("
)
_ARRAY = re.compile(r"\b(?:pred|[a-z]+(\d+)\w*)\[([\d,]*)\]")


@dataclasses.dataclass(frozen=True)
class CompiledCosts:
    """Of one device, as the compiler tells."""

    flops: float
    """Of everything, elementwise work included."""
    argument_bytes: int
    temporary_bytes: int
    peak_bytes: int
    """Arguments, temporaries, and results that take no argument's place."""
    exchanged_bytes: int
    """Of what collectives give; each once, however it is sent."""
    num_collectives: int


@dataclasses.dataclass(frozen=True)
class ExchangedBytes:
    """The least that devices exchange in a step, float32."""

    gradients: int
    """Of model and discriminator."""
    statistics: int
    """Of batch norms: two sums per feature forward, two back, in every pass."""
    scalars: int
    """Loss, terms and counts."""

    @property
    def total(self) -> int:
        """All of them."""
        return self.gradients + self.statistics + self.scalars


def compiled_costs(compiled: jax.stages.Compiled) -> CompiledCosts:
    """Returns the costs of a compiled function."""
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
    """Returns the bytes that each collective of a compiled module gives."""
    return [
        sum(
            int(bits or 8) // 8 * int(np.prod([int(n) for n in shape.split(",") if n]))
            for bits, shape in _ARRAY.findall(match[1])
        )
        for match in _COLLECTIVE.finditer(hlo)
    ]


def least_exchange(state: TrainState) -> ExchangedBytes:
    """Returns what devices must exchange: all that is a sum over the batch.

    Args:
      state: of training on photos; shapes are enough.
    """
    stats = state.batch_stats
    passes = {"encoder": 1, "flow": _FLOW_PASSES}
    norms = sum(
        number * len(jax.tree.leaves(stats.get(part, {}))) // 2
        for part, number in passes.items()
    )
    # Forward two sums per feature, as many as there are running averages; back two.
    statistics = sum(
        number * 2 * _num_bytes(stats.get(part, {})) for part, number in passes.items()
    )
    # Losses of both players, terms; rows of each batch norm; labelled poses.
    scalars = 2 + len(dataclasses.fields(LossTerms)) + norms + 1
    return ExchangedBytes(
        gradients=_num_bytes(state.params) + _num_bytes(state.critic_params),
        statistics=statistics,
        scalars=4 * scalars,
    )


def _num_bytes(tree: Any) -> int:
    return sum(4 * int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


def step_flops(model: ProHMR, people: int, side_px: int, samples: int) -> int:
    """Returns the operations of a step's linear layers: three times the forward pass.

    Args:
      model: with a ResNet.
      people: of the batch.
      side_px: of the crops.
      samples: bodies made of each person, the mode included.
    """
    head = model.head
    outputs = head.num_betas + len(head.mean_camera)
    per_person = (
        resnet_multiply_adds(model.encoder, side_px)
        + _FLOW_PASSES * context_multiply_adds(model.flow)
        # One row more than samples: the label.
        + (samples + 1) * flow_multiply_adds(model.flow)
        + head.hidden_features * (head.context_features + outputs)
        # Made bodies for either player, captured ones for the critic.
        + 3 * samples * critic_multiply_adds(Discriminator.hidden_features)
    )
    return 2 * _FORWARDS_PER_STEP * people * per_person


def resnet_multiply_adds(encoder: ResNet, side_px: int) -> int:
    """Returns the multiply-adds of a ResNet's convolutions for one image."""
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
    """Returns the multiply-adds of one row through the flow, its context projected."""
    hidden, half = flow.hidden_features, flow.features // 2
    residual = 2 * flow.num_blocks * hidden**2
    return flow.num_layers * (flow.features**2 + 2 * half * hidden + residual)


def context_multiply_adds(flow: ConditionalGlow) -> int:
    """Returns the multiply-adds of projecting one context for every layer."""
    return flow.num_layers * flow.context_features * flow.hidden_features


def critic_multiply_adds(hidden: int) -> int:
    """Returns the multiply-adds of the discriminator for one body, shape left out."""
    joints = NUM_JOINTS * 32 * (9 + 32 + 1)
    return joints + hidden * (NUM_JOINTS * 32 + hidden + 1)
