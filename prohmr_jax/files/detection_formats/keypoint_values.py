r"""Turns the keypoints of a person, in any of the forms in use, into flat numbers.

The modules of `detection_formats` and `files.keypoint_checks` call it. Programs that
write NumPy's numbers or arrays into JSON often write them as text, such as "0.5",
"np.float32(0.5)" or "[[1. 2.]\n [3. 4.]]"; these are read as well.
"""

import json
import re
from collections.abc import Mapping, Sequence

_NAN = float("nan")
_MISSING = ("", "nan", "none", "null", "-", "n/a")
_X_Y_CONFIDENCE = (0, 1, 2)
_CONFIDENCE_KEYS = ("visibility", "score", "confidence", "visible", "conf", "c", "v")
# What surrounds the numbers in the text of an array: "array([...], dtype=float32)".
_ARRAY = re.compile(r"[^\[\]]*(\[.*\])[^\[\]]*", re.DOTALL)
_NUMBER = re.compile(r"[\w.]+\((.*)\)")


def number(value: object) -> float | None:
    """Returns a number of JSON, which may be text, or None if it is no number.

    A missing value (null or NaN) is NaN, and an integer beyond any float is infinite.
    """
    if isinstance(value, str):
        text = value.strip()
        wrapped = _NUMBER.fullmatch(text)
        text = wrapped[1] if wrapped else text
        if text.lower() in _MISSING:
            return _NAN
        try:
            return float(text)
        except ValueError:
            return None
    if value is None:
        return _NAN
    if type(value) not in (int, float):  # bool is an int, but no number
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def array_of_text(value: object) -> object:
    """Returns the list that the text of an array stands for; anything else unchanged.

    The text of a long array, in which NumPy leaves out numbers, stays text.
    """
    match = _ARRAY.fullmatch(value) if isinstance(value, str) else None
    if match is None or "..." in match[1]:
        return value
    text = re.sub(r"(?<=[^\s,\[])\s+(?=[^\s,\]])", ",", match[1])
    text = re.sub(r"\s+", "", text)
    text = re.sub(r"(?<![\w.])(nan|none|null)(?![\w.])", "NaN", text, flags=re.I)
    text = re.sub(r"(?<=\d)\.(?=[,\]e])", ".0", text)
    text = re.sub(r"(?<![\d])\.(?=\d)", "0.", text)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return value


def flat_values(
    joints: object,
    scores: object = None,
    columns: Sequence[int] = _X_Y_CONFIDENCE,
) -> object:
    """Returns the joints of a person as one flat list of x, y, confidence.

    Args:
      joints: any JSON; in a sound file one of: a flat list of x, y, confidence; rows of
        these, or of x and y with `scores`; objects with "x", "y" (or a "position" that
        has them) and a confidence; or an object of the lists "x", "y" and "visible".
      scores: confidence of each joint, for rows of x and y; None where they are in the
        rows. Rows of x and y without any confidence have confidence 1.
      columns: columns of x, y and confidence in each row.

    Returns:
      The flat list, with None for the numbers of a joint in none of these forms; or
      `joints` unchanged if no joint is, which the check of the numbers refuses later.
    """
    joints, scores = array_of_text(joints), array_of_text(scores)
    if isinstance(joints, Mapping):
        joints, scores = _columns_as_rows(joints)
    if not isinstance(joints, list) or not any(
        isinstance(j, list | dict) for j in joints
    ):
        return joints
    if scores is None:
        scores = [None] * len(joints)
    if not isinstance(scores, list) or len(scores) != len(joints):
        return joints
    rows = [
        _row(joint, score, columns) for joint, score in zip(joints, scores, strict=True)
    ]
    if not any(rows):
        return joints
    missing = [None, None, None]
    return [value for row in rows for value in row or missing]


def _columns_as_rows(joints: Mapping[str, object]) -> tuple[object, object]:
    """Returns rows of x and y, and confidences, of an object of lists."""
    x, y = (array_of_text(joints.get(axis)) for axis in "xy")
    keys = [key for key in _CONFIDENCE_KEYS if key in joints]
    scores = array_of_text(joints[keys[0]]) if keys else None
    if not isinstance(x, list) or not isinstance(y, list) or len(x) != len(y):
        return joints, None
    return [list(pair) for pair in zip(x, y, strict=True)], scores


def _row(joint: object, score: object, columns: Sequence[int]) -> list | None:
    """Returns x, y and confidence of one joint, or None if it has another form."""
    if isinstance(joint, dict):
        if isinstance(joint.get("position"), dict):  # PoseNet
            joint = {**joint, **joint["position"]}
        keys = [key for key in _CONFIDENCE_KEYS if key in joint]
        if not {"x", "y"} <= set(joint):
            return None
        confidence = joint[keys[0]] if keys else 1.0
        return [joint["x"], joint["y"], confidence]
    if not isinstance(joint, list):
        return None
    if len(joint) == 1 + max(columns) and score is None:
        return [joint[column] for column in columns]
    if len(joint) == 2 and tuple(columns[:2]) == _X_Y_CONFIDENCE[:2]:
        if score is None:  # detectors put joints that they do not see at zero
            score = float(any(joint))
        return [*joint, score]
    return None
