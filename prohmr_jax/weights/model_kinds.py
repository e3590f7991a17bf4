"""Tells apart the kinds of models whose weights are kept, and builds them.

`headers` and `weight_files` call it.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax

from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables

Spec = ModelSpec | LifterSpec


@dataclasses.dataclass(frozen=True)
class ModelKind:
    """Describes how one kind of model is told, built and initialised."""

    spec: type[Spec]
    """Class of the descriptions of such models."""
    words: str
    """What such a model is, for messages."""
    build: Callable[[Spec], nn.Module]
    """Function of a description that returns the Flax module."""
    init: Callable[[nn.Module, jax.Array], dict]
    """Function of a module and a random key that returns fresh variables."""


# Key of the description in a header -> kind of the model.
KINDS = {
    "model": ModelKind(ModelSpec, "a model of bodies", build_model, init_variables),
    "lifter": ModelKind(LifterSpec, "a lifter of skeletons", build_lifter, init_lifter),
}


def kind_key(spec: Spec | type[Spec]) -> str:
    """Returns the key, in `KINDS` and in headers, of a description or of its class."""
    wanted = spec if isinstance(spec, type) else type(spec)
    return next(key for key, kind in KINDS.items() if kind.spec is wanted)


def abstract_variables(spec: Spec) -> dict:
    """Returns the shapes and types of a model's variables, computing none.

    Args:
      spec: describes the model.
    """
    kind = KINDS[kind_key(spec)]
    return jax.eval_shape(lambda: kind.init(kind.build(spec), jax.random.key(0)))
