"""Random keys for the rows of a batch that may be spread over several devices.

Training and dropout use them, so that a step on many devices draws the same numbers as
the same step on one device.
"""

import jax
import jax.numpy as jnp


def row_keys(key: jax.Array, rows: int, axis_name: str | None = None) -> jax.Array:
    """Returns one key per row of this device, derived from the row's global number.

    Args:
      key: random key, the same on every device.
      rows: number of rows on this device.
      axis_name: mapped axis over which the rows are spread, if any.
    """
    device = 0 if axis_name is None else jax.lax.axis_index(axis_name)
    number = device * rows + jnp.arange(rows)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, number)
