"""Reads files of OpenCV's class FileStorage: YAML, XML or JSON with matrices.

`opencv` and `easymocap_files` call it. OpenCV's own reader is not used, because it
never ends on some damaged files.
"""

import itertools
import json
import math
import os
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import yaml

from prohmr_jax.errors import InputError

SUFFIXES = (".yml", ".yaml", ".xml", ".json")
"""Endings of the names of such files."""
_MAX_BYTES = 1_000_000
# The reader of YAML needs seconds for larger files.
_MAX_YAML_BYTES = 500_000
_MAX_YAML_NODES = 30_000
# Brackets in brackets take the reader of YAML a time that grows with their square.
_MAX_DEPTH = 30
_BRACKET = re.compile(r"[\[\]{}]")
# OpenCV writes "%YAML:1.0" where YAML has "%YAML 1.0".
_DIRECTIVE = re.compile(r"\A\s*%YAML[^\n]*\n")


def read_file_storage(path: str | os.PathLike) -> dict[str, object]:
    """Returns the top entries of a file by name.

    Returns:
      Matrices as float64 arrays, and texts, numbers, lists and tables as they are.

    Raises:
      InputError: the file cannot be read, is damaged or too large, or holds no entries
        by name.
    """
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise InputError(path, "is too large for a calibration")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InputError(path, "is not text in UTF-8") from error
    start = text.lstrip()[:1]
    try:
        if start == "<":
            content = _of_xml(text)
        elif start == "{":
            content = json.loads(text)
        elif _depth(text) > _MAX_DEPTH:
            raise InputError(path, "is nested too deeply")
        elif len(text) > _MAX_YAML_BYTES:
            raise InputError(path, "is too large for a calibration in YAML")
        else:
            content = yaml.load(_DIRECTIVE.sub("", text), _Loader)  # noqa: S506
        content = _with_arrays(content)
    except InputError:
        raise
    except (yaml.YAMLError, ElementTree.ParseError, ValueError, TypeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise InputError(path, f"is no file of OpenCV, or damaged: {reason}") from error
    except RecursionError as error:
        raise InputError(path, "is nested too deeply") from error
    if not isinstance(content, dict):
        raise InputError(path, "holds no entries by name")
    return {str(name): value for name, value in content.items()}


def _depth(text: str) -> int:
    """Returns how many brackets are open at most at any place of a text."""
    steps = (1 if match[0] in "[{" else -1 for match in _BRACKET.finditer(text))
    return max(itertools.accumulate(steps), default=0)


class _Loader(yaml.SafeLoader):
    """Reads YAML without aliases, which calibrations do not have."""

    num_nodes = 0

    def compose_node(self, parent, index):
        """Refuses aliases, by which a short file can be endless, and many entries."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("it has aliases")
        self.num_nodes += 1
        if self.num_nodes > _MAX_YAML_NODES:
            raise yaml.YAMLError("it has too many entries")
        return super().compose_node(parent, index)


def _of_matrix(loader: _Loader, node: yaml.Node) -> dict:
    if not isinstance(node, yaml.MappingNode):
        raise yaml.YAMLError("it has a matrix without rows and columns")
    return loader.construct_mapping(node, deep=True)


for _tag in ("opencv-matrix", "opencv-nd-matrix"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_tag}", _of_matrix)


def _of_xml(text: str) -> object:
    """Returns the entries of XML; what repeats a name in a list becomes a list."""
    root = ElementTree.fromstring(text)
    return _of_element(root)


def _of_element(element: ElementTree.Element) -> object:
    children = list(element)
    if not children:
        words = (element.text or "").split()
        return words[0].strip('"') if len(words) == 1 else words
    if all(child.tag == "_" for child in children):
        return [_of_element(child) for child in children]
    return {child.tag: _of_element(child) for child in children}


def _with_arrays(value: object) -> object:
    """Returns a value in which tables of rows, columns and data are arrays."""
    if isinstance(value, list):
        return [_with_arrays(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "data" in value and ({"rows", "cols"} <= set(value) or "sizes" in value):
        sizes = value.get("sizes", [value.get("rows"), value.get("cols")])
        shape = [int(size) for size in _as_list(sizes)]
        numbers = [float(number) for number in _as_list(value["data"])]
        if min(shape) < 0 or math.prod(shape) != len(numbers):
            text = " x ".join(map(str, shape))
            raise ValueError(f"a matrix of {text} has {len(numbers)} numbers")
        return np.array(numbers, np.float64).reshape(shape)
    return {name: _with_arrays(item) for name, item in value.items()}


def _as_list(value: object) -> list:
    return value if isinstance(value, list) else [value]
