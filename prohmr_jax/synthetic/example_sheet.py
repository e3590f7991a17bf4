"""Draws a sheet of examples of a dataset: pictures, and the joints labelled in them.

The mode that renders people writes it beside the dataset.
"""

import os

import numpy as np

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.drawing import draw_keypoints
from prohmr_jax.skeleton import BODY_25, JOINTS_44

_COLUMNS = 8


def example_sheet(
    directory: str | os.PathLike, split: str, num_people: int, seed: int = 0
) -> np.ndarray:
    """Returns a uint8 sheet [H, W, 3] of pictures, each without and with its joints.

    Args:
      directory: directory of the dataset.
      split: name of a split of the dataset.
      num_people: number of records to show.
      seed: seed of the random choice of records.

    Raises:
      InputError: the dataset cannot be used.
    """
    people = DatasetReader(Source(os.fspath(directory), split, 1.0))
    rng = np.random.default_rng(seed)
    chosen = rng.choice(len(people), min(num_people, len(people)), replace=False)
    body_25 = list(BODY_25.positions_in(JOINTS_44))
    panels = []
    for record, photo in (people[int(number)] for number in sorted(chosen)):
        xy, confidence = np.split(record.keypoints_2d[body_25], [2], axis=1)
        panels += [photo, draw_keypoints(photo, xy, confidence[:, 0])]
    return contact_sheet(panels, _COLUMNS, text_px=10)
