"""Reads people of a dataset together with all views of each.

The evaluation of multi-view fits calls it. Views of one person at one instant have the
same text in the field `person` of their records.
"""

from collections.abc import Iterator

import jax
import numpy as np

from prohmr_jax.data.augmentation import Draw
from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.examples import make_example
from prohmr_jax.structs import ImageBatch


def view_groups(people: DatasetReader, num_people: int | None = None) -> list[list]:
    """Returns the numbers of the records of each person who has several views.

    People with few views come first, so that batches can have one number of views.

    Args:
      people: a split of a dataset.
      num_people: number of people, evenly spread over those with several views; None
        for all.
    """
    groups: dict[str, list[int]] = {}
    for number in range(len(people)):
        groups.setdefault(people.person_of(number), []).append(number)
    groups.pop("", None)
    several = [views for views in groups.values() if len(views) > 1]
    count = min(num_people or len(several), len(several))
    if not count:
        return []
    chosen = np.linspace(0, len(several) - 1, count).round().astype(int)
    return sorted((several[row] for row in chosen), key=len)


def view_batches(
    source: Source,
    batch_size: int,
    input_size: int,
    num_people: int | None = None,
    num_betas: int = 10,
) -> Iterator[tuple[ImageBatch, list[str], int]]:
    """Yields crops of people in several views, their actions, and the number of views.

    The views of a person are consecutive rows. A batch that is not full is filled up
    with its last person; it then has fewer actions than rows. People with a damaged
    photo are logged and left out.

    Args:
      source: split of a dataset.
      batch_size: number of people of every batch.
      input_size: side of the crops, pixels.
      num_people: number of people, evenly spread over the dataset; None for all.
      num_betas: number of shape coefficients of the body.

    Raises:
      InputError: the dataset cannot be used.
    """
    people = DatasetReader(source)
    waiting: list[list] = []

    def batch() -> tuple[ImageBatch, list[str], int]:
        views = len(waiting[0])
        actions = [record.action for group in waiting for record, _ in group]
        filled = waiting + [waiting[-1]] * (batch_size - len(waiting))
        examples = [
            make_example(record, photo, Draw(), input_size, num_betas)
            for group in filled
            for record, photo in group
        ]
        return jax.tree.map(lambda *a: np.stack(a), *examples), actions, views

    for numbers in view_groups(people, num_people):
        group = [people.whole(number) for number in numbers]
        if not all(group):
            continue
        if waiting and (len(waiting) == batch_size or len(waiting[0]) != len(group)):
            yield batch()
            waiting = []
        waiting.append(group)
    if waiting:
        yield batch()
