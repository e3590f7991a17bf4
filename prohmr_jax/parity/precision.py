"""Converts arrays to float64, for quantities that the rounding of float32 decides."""

from typing import Any

import jax
import jax.numpy as jnp


def double(tree: Any) -> Any:
    """Returns a pytree with its floating-point arrays in float64.

    It has to be called under `jax.enable_x64`.
    """

    def widen(leaf):
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, jnp.float64) if floating else leaf

    return jax.tree.map(widen, tree)
