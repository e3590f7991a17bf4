"""Reads JSON files that other programs wrote; every fault becomes a one-line error."""

import json
import os
from pathlib import Path

from prohmr_jax.errors import InputError


def read_json(path: str | os.PathLike) -> object:
    """Returns the content of a JSON file in UTF-8, as `json.loads` gives it.

    Raises:
      InputError: the file cannot be read, or is empty, truncated or not JSON.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise InputError(path, "is empty")
    try:
        return json.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(path, "is not JSON: it is not text in UTF-8") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        cut = error.pos >= len(error.doc.rstrip()) or error.msg.startswith(
            "Unterminated string"
        )
        fault = "is truncated, or not JSON" if cut else "is not JSON"
        raise InputError(path, f"{fault}: {error.msg} at {where}") from error
    except RecursionError as error:
        raise InputError(path, "is nested too deeply") from error
    except ValueError as error:  # an integer of thousands of digits
        raise InputError(path, "holds a number that is far too long") from error


def json_files(folder: Path, recursive: bool) -> list[Path]:
    """Returns the `.json` files of a folder, sorted by path.

    Args:
      folder: an existing folder.
      recursive: also returns the files of the folders inside it.

    Raises:
      InputError: there is no such file.
    """
    candidates = folder.rglob("*.json") if recursive else folder.glob("*.json")
    files = sorted(file for file in candidates if file.is_file())
    if not files:
        raise InputError(folder, "holds no .json file")
    return files
