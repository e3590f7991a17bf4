"""Refuses config values that would only fail later; modes call it at their start.

ml_collections checks the types of values, and not their ranges.
"""

import os
from collections.abc import Mapping, Sequence

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats.joint_orders import DETECTED_SETS
from prohmr_jax.models.spec import KEYPOINTS, ModelSpec

INPUT_WORDS = {"exif": ("honour", "ignore"), "format": ("", *DETECTED_SETS)}
"""Words that every config with photos and detections allows, by key."""


def require_words(config: Mapping, words: Mapping[str, Sequence[str]]) -> None:
    """Refuses values that are not among the words that their keys allow.

    A tuple is checked word by word.

    Args:
      config: the config.
      words: allowed words by key.

    Raises:
      InputError: a value is not among them; the message names `config.key`.
    """
    for key, allowed in words.items():
        value = config[key]
        for word in value if isinstance(value, tuple) else (value,):
            if word not in allowed:
                expected = " or ".join(f'"{word}"' for word in allowed)
                raise InputError(f"config.{key}", f'"{word}" is not {expected}')


def require_some(config: Mapping, *keys: str) -> None:
    """Refuses empty tuples, with which a run would measure nothing.

    Args:
      config: the config.
      *keys: keys whose values are tuples.

    Raises:
      InputError: a tuple is empty; the message names `config.key`.
    """
    for key in keys:
        if not config[key]:
            raise InputError(f"config.{key}", "is empty, so that nothing is measured")


def require_keypoint_model(path: str | os.PathLike, spec: ModelSpec) -> None:
    """Refuses weights of a model that sees photos where keypoints are its input.

    Args:
      path: path of the weights, for the message.
      spec: what the weights belong to.

    Raises:
      InputError: the model sees photos.
    """
    if spec.encoder != KEYPOINTS:
        raise InputError(path, "is a model of photos, and one of keypoints is needed")


def require_least(config: Mapping, least: Mapping[str, float]) -> None:
    """Refuses numbers below the bounds of their keys, also within tuples.

    Args:
      config: the config.
      least: lower bounds by key; "a.b" is the key b of the part a of the config.

    Raises:
      InputError: a number is below its bound or NaN; the message names `config.key`.
    """
    for key, bound in least.items():
        value = config
        for part in key.split("."):
            value = value[part]
        numbers = value if isinstance(value, tuple) else (value,)
        # Written so that NaN, for which no comparison holds, is refused as well.
        if not all(number >= bound for number in numbers):
            raise InputError(f"config.{key}", f"{value} is less than {bound}")
