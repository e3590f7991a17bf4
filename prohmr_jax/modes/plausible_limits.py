"""Reads the limits of plausible bodies from configs."""

import dataclasses

import ml_collections

from prohmr_jax.errors import InputError
from prohmr_jax.inference.plausibility import Limits


def read_limits(config: ml_collections.ConfigDict, key: str = "plausible") -> Limits:
    """Returns the limits that a config sets.

    Args:
      config: the part `plausible` of a config, such as that of `configs/fit.py`; its
        keys are the fields of `Limits`.
      key: name of that part, for error messages.

    Raises:
      InputError: a bound is NaN, or a range is not two numbers in ascending order.
    """
    names = [field.name for field in dataclasses.fields(Limits)]
    limits = Limits(**{name: config[name] for name in names})
    for name, value in vars(limits).items():
        numbers = value if isinstance(value, tuple) else (value,)
        ranges = isinstance(getattr(limits, name), tuple)
        if any(number != number for number in numbers):
            raise InputError(f"config.{key}.{name}", f"{value} is no number")
        if ranges and not (len(numbers) == 2 and numbers[0] <= numbers[1]):
            raise InputError(
                f"config.{key}.{name}", f"{value} is not a least and a greatest"
            )
    return limits
