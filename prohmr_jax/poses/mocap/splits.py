"""Decides which captured clips are for training and which are held out for tests.

Of the prepared file, all clips of the actions jumping and soccer and every fifth clip
of each other action are held out; of the original database, three clips are.
"""

import enum
from collections.abc import Iterable

UNSEEN_ACTIONS = ("jumping", "soccer")
ORIGINAL_TEST_CLIPS = ("01_06", "02_09", "03_02")
HOLD_OUT_EVERY = 5


class Split(enum.Enum):
    """Says what a clip is used for."""

    TRAIN = "train"
    SEEN_ACTION = "seen-action test"
    """Test clip of an action of which training sees other clips."""
    UNSEEN_ACTION = "unseen-action test"
    """Test clip of an action that training never sees."""
    ORIGINAL_CLIP = "original-clip test"
    """Test clip of the original database."""
    ACROBATICS = "other motion: acrobatics"
    """Clip of DeepMimic's humanoid, which only measures; no training sees any."""
    CLIMBING = "other motion: climbing"
    """Clip of people who climb on boxes, which no training sees."""


def action_of(name: str) -> str:
    """Returns the action of a clip: the part before `__`, or else `subject <n>`."""
    if "__" in name:
        return name.split("__")[0]
    return f"subject {name.split('_')[0]}"


def split_clips(names: Iterable[str]) -> dict[str, Split]:
    """Returns the split of every clip of one source by the clip's name.

    Args:
      names: names of all clips of a prepared file, in file order, or of a folder of
        original files.
    """
    splits = {}
    count_of: dict[str, int] = {}
    for name in names:
        action = action_of(name)
        count_of[action] = count_of.get(action, 0) + 1
        if "__" not in name:
            held_out = name in ORIGINAL_TEST_CLIPS
            splits[name] = Split.ORIGINAL_CLIP if held_out else Split.TRAIN
        elif action in UNSEEN_ACTIONS:
            splits[name] = Split.UNSEEN_ACTION
        elif count_of[action] % HOLD_OUT_EVERY == 0:
            splits[name] = Split.SEEN_ACTION
        else:
            splits[name] = Split.TRAIN
    return splits
