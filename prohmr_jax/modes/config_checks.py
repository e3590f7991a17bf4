"""Values of configs that could only fail later are refused at once."""

from collections.abc import Mapping, Sequence

from prohmr_jax.errors import InputError

# Of everything that looks at photos.
PHOTO_WORDS = {"exif": ("honour", "ignore")}


def require_words(config: Mapping, words: Mapping[str, Sequence[str]]) -> None:
    """Refuses a value that is none of the words allowed for its key.

    Raises:
      InputError: it names `config.key`.
    """
    for key, allowed in words.items():
        if config[key] not in allowed:
            named = " or ".join(f'"{word}"' for word in allowed)
            raise InputError(f"config.{key}", f'"{config[key]}" is not {named}')


def require_least(config: Mapping, least: Mapping[str, float]) -> None:
    """Refuses a number, or a tuple of them, below the bound of its key.

    Args:
      config: values by key; a dot stands between the keys of a part of it.
      least: bounds by such keys.

    Raises:
      InputError: it names `config.key`.
    """
    for key, bound in least.items():
        value = config
        for part in key.split("."):
            value = value[part]
        numbers = value if isinstance(value, tuple) else (value,)
        # So that NaN is refused as well.
        if not all(number >= bound for number in numbers):
            raise InputError(f"config.{key}", f"{value} is less than {bound}")
