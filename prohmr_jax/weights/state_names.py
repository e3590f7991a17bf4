"""Translates the names of fields that saved training states had in older versions.

The readers of states, `weights.weight_files` and `training.checkpoints`, call it, so
that a run or a directory that an older version saved can still be used.
"""

from collections.abc import Collection, Mapping
from typing import Any

# The name in files of before -> the name in today's `TrainState`.
_CURRENT_NAMES = {
    "critic_params": "discriminator_params",
    "critic_opt_state": "discriminator_opt_state",
}
_FORMER_NAMES = {current: former for former, current in _CURRENT_NAMES.items()}


def with_current_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a state by today's field names, whichever names it was saved with."""
    return {_CURRENT_NAMES.get(name, name): value for name, value in state.items()}


def with_saved_names(
    state: Mapping[str, Any], saved: Collection[str]
) -> dict[str, Any]:
    """Returns a state by the field names of a file.

    Args:
      state: fields by today's names.
      saved: the names of the fields in the file.
    """
    return {
        _FORMER_NAMES[name] if _FORMER_NAMES.get(name) in saved else name: value
        for name, value in state.items()
    }
