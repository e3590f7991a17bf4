"""The same mathematics in float64, where float32 decides by its rounding."""

from typing import Any

import jax
import jax.numpy as jnp


def double(tree: Any) -> Any:
    """Returns a pytree with its floating arrays in float64; under `jax.enable_x64`."""

    def widen(leaf):
        floating = jnp.issubdtype(jnp.result_type(leaf), jnp.floating)
        return jnp.asarray(leaf, jnp.float64) if floating else leaf

    return jax.tree.map(widen, tree)
