"""Random numbers of the rows of a batch, whatever devices they are spread over."""

import jax
import jax.numpy as jnp


def row_keys(key: jax.Array, rows: int, axis_name: str | None = None) -> jax.Array:
    """Returns a key for each row: of its number in the batch of all devices.

    Args:
      key: the same on every device.
      rows: of this device.
      axis_name: mapped axis over which the rows are spread, if any.
    """
    device = 0 if axis_name is None else jax.lax.axis_index(axis_name)
    number = device * rows + jnp.arange(rows)
    return jax.vmap(jax.random.fold_in, (None, 0))(key, number)
