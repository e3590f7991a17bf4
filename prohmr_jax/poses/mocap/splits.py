"""Which captured clips train and which are held out for tests.

Held out are the actions jumping and soccer as a whole, every fifth clip of each other
action of the prepared file, and three clips of the original database.
"""

import enum
from collections.abc import Iterable

UNSEEN_ACTIONS = ("jumping", "soccer")
ORIGINAL_TEST_CLIPS = ("01_06", "02_09", "03_02")
HOLD_OUT_EVERY = 5


class Split(enum.Enum):
    """What a clip is for."""

    TRAIN = "train"
    SEEN_ACTION = "seen-action test"
    UNSEEN_ACTION = "unseen-action test"
    ORIGINAL_CLIP = "original-clip test"


def action_of(name: str) -> str:
    """Returns the action of a clip: what stands before `__`, else `subject <n>`."""
    if "__" in name:
        return name.split("__")[0]
    return f"subject {name.split('_')[0]}"


def split_clips(names: Iterable[str]) -> dict[str, Split]:
    """Returns the split of every clip of one source.

    Args:
      names: all clips of a prepared file in file order, or of an original folder.
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
