"""Reads JSON files that other programs wrote; every fault becomes a one-line error."""

import codecs
import json
import os
from pathlib import Path

from prohmr_jax.errors import InputError


def read_json(path: str | os.PathLike) -> object:
    """Returns the content of a JSON file, as `json.loads` gives it.

    The text is in UTF-8, or in UTF-16 or UTF-32 if it starts with a byte-order mark.

    Raises:
      InputError: the file cannot be read, or is empty, truncated or not JSON.
    """
    return _parse(path, _read_text(path))


def read_json_lines(path: str | os.PathLike) -> object:
    """Returns the content of a file of one JSON text, or of one JSON text per line.

    In the second case the content is the list of what the lines hold.

    Raises:
      InputError: the file cannot be read, or is empty, truncated or not JSON.
    """
    text = _read_text(path)
    try:
        return _parse(path, text)
    except InputError:
        lines = [line for line in text.splitlines() if line.strip()]
        try:
            contents = [json.loads(line) for line in lines]
        except (ValueError, RecursionError):
            contents = []
        if len(contents) > 1 and all(isinstance(c, dict | list) for c in contents):
            return contents
        raise


def _read_text(path: str | os.PathLike) -> str:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    if not data.strip():
        raise InputError(path, "is empty")
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = json.detect_encoding(data) if marked else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        name = "UTF-16" if marked else "UTF-8"
        raise InputError(path, f"is not JSON: it is not text in {name}") from error


def _parse(path: str | os.PathLike, text: str) -> object:
    try:
        return json.loads(text)
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
