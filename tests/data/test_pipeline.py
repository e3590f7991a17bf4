"""Batches are a function of seed and number, whoever reads them."""

import logging

import jax
import numpy as np
import pytest

from prohmr_jax.data.augmentation import AugmentationSettings
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.pipeline import (
    BatchSettings,
    ReadingSettings,
    evaluation_batches,
    training_batches,
)
from prohmr_jax.data.records import MocapArrays
from prohmr_jax.errors import InputError
from tests.support.datasets_case import make_record, write_people

SIZE, BATCH = 16, 4


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    records = [make_record(n) for n in range(10)]
    return write_people(tmp_path_factory.mktemp("people"), records)


@pytest.fixture(scope="module")
def mocap():
    rng = np.random.default_rng(0)
    return MocapArrays(rng.normal(size=(7, 69)), rng.normal(size=(7, 10)))


def batches(directory, mocap, *, augmentation=None, reading=None, **sizes):
    settings = BatchSettings(**{
        "batch_size": BATCH,
        "input_size": SIZE,
        "num_betas": 10,
        "poses_per_image": 2,
        **sizes,
    })  # fmt: skip
    augmentation = augmentation or AugmentationSettings(extreme_crop_rate=0.3)
    sources = [Source(str(directory), "train", 1.0)]
    return training_batches(sources, mocap, settings, augmentation, 3, reading)


def take(iterator, count):
    return [next(iterator) for _ in range(count)]


def assert_equal(actual, expected):
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_array_equal(a, b)


def test_batches_have_the_shapes_that_a_step_reads(directory, mocap):
    (batch,) = take(batches(directory, mocap), 1)
    assert batch.images.image.shape == (BATCH, SIZE, SIZE, 3)
    assert batch.images.image.dtype == np.uint8
    assert batch.mocap.body_pose.shape == (2 * BATCH, 23, 3, 3)
    for leaf in jax.tree.leaves(batch):
        assert leaf.dtype in (np.uint8, np.float32)
        assert np.isfinite(leaf).all()
    rotmats = batch.images.smpl.body_pose
    np.testing.assert_allclose(
        rotmats @ np.swapaxes(rotmats, -1, -2),
        np.broadcast_to(np.eye(3), rotmats.shape),
        atol=1e-5,
    )


def test_hosts_share_the_batch_of_one(directory, mocap):
    whole = take(batches(directory, mocap), 3)
    parts = [
        take(batches(directory, mocap, reading=ReadingSettings(host, 2)), 3)
        for host in (0, 1)
    ]
    for one, *two in zip(whole, *parts, strict=True):
        joined = jax.tree.map(lambda *leaves: np.concatenate(leaves), *two)
        assert_equal(joined, one)


@pytest.mark.parametrize("workers", [0, 1])
def test_position_restores_exactly(directory, mocap, workers):
    reading = ReadingSettings(num_workers=workers)
    iterator = batches(directory, mocap, reading=reading)
    take(iterator, 2)
    state = iterator.get_state()
    expected = take(iterator, 2)
    again = batches(directory, mocap, reading=reading)
    again.set_state(state)
    assert_equal(take(again, 2), expected)


def test_every_pass_meets_everybody_in_another_order(directory, mocap):
    still = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)
    actual = take(batches(directory, mocap, augmentation=still, batch_size=10), 2)
    rows = [
        [tuple(betas) for betas in batch.images.smpl.betas.round(4)] for batch in actual
    ]
    assert sorted(rows[0]) == sorted(rows[1])
    assert len(set(rows[0])) == 10
    assert rows[0] != rows[1]


def test_first_batches_are_coarse_and_show_the_same(directory, mocap):
    fine = take(batches(directory, mocap), 3)
    actual = take(batches(directory, mocap, coarse_size=SIZE // 2, num_coarse=2), 3)
    sides = [batch.images.image.shape[1] for batch in actual]
    assert sides == [SIZE // 2, SIZE // 2, SIZE]
    assert_equal(actual[2], fine[2])
    for coarse, whole in zip(actual[:2], fine[:2], strict=True):
        np.testing.assert_allclose(
            coarse.images.keypoints_2d.xy, whole.images.keypoints_2d.xy, atol=1e-5
        )
        np.testing.assert_array_equal(coarse.images.smpl.betas, whole.images.smpl.betas)


def test_damaged_photo_is_named_once_and_replaced(tmp_path, mocap, caplog):
    records = [make_record(n, damaged=n == 2) for n in range(4)]
    directory = write_people(tmp_path, records)
    with caplog.at_level(logging.WARNING, "prohmr_jax"):
        take(batches(directory, mocap), 4)
    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 1
    assert "photo2.jpg" in lines[0]
    # And the run reads the same again.
    assert_equal(take(batches(directory, mocap), 2), take(batches(directory, mocap), 2))


def test_dataset_of_damaged_photos_is_refused(tmp_path, mocap):
    directory = write_people(tmp_path, [make_record(0, damaged=True)])
    with pytest.raises(InputError, match=r"photo0\.jpg"):
        take(batches(directory, mocap), 1)


def test_mixture_draws_by_weight(tmp_path, directory, mocap):
    other = write_people(tmp_path, [make_record(n) for n in range(100, 103)])
    sources = [Source(str(directory), "train", 3.0), Source(str(other), "train", 1.0)]
    still = AugmentationSettings(0, 0, 0, 0, 0, 0, 0)
    settings = BatchSettings(40, SIZE, num_betas=10, poses_per_image=1)
    iterator = training_batches(sources, mocap, settings, still, seed=0)
    ours = {tuple(make_record(n).betas.astype(np.float32)) for n in range(100, 103)}
    actual = [tuple(b) for b in next(iterator).images.smpl.betas]
    assert sum(betas in ours for betas in actual) == 10


@pytest.mark.parametrize("fault", ["nothing", "split", "share"])
def test_unusable_sources_are_named(tmp_path, directory, mocap, fault):
    source = {"nothing": Source(str(tmp_path), "train", 1.0),
              "split": Source(str(directory), "test", 1.0),
              "share": Source(str(directory), "train", 1.0)}[fault]  # fmt: skip
    with pytest.raises(InputError):
        training_batches(
            [source],
            mocap,
            BatchSettings(BATCH, SIZE, num_betas=10, poses_per_image=1),
            AugmentationSettings(),
            seed=0,
            reading=ReadingSettings(process_count=3 if fault == "share" else 1),
        )


def test_evaluation_keeps_order_and_marks_padding(directory):
    source = Source(str(directory), "train", 1.0)
    actual = list(evaluation_batches(source, 4, SIZE))
    actions = [name for _, names in actual for name in names]
    assert actions == [f"action{n % 3}" for n in range(10)]
    assert all(len(batch.image) == 4 for batch, _ in actual)
    ((few, names),) = evaluation_batches(source, 8, SIZE, num_people=3)
    assert len(names) == 3
    assert len(few.image) == 8


def test_evaluation_leaves_damaged_photos_out(tmp_path, caplog):
    records = [make_record(n, damaged=n in (1, 3)) for n in range(5)]
    people = Source(str(write_people(tmp_path / "people", records)), "train", 1.0)
    with caplog.at_level(logging.WARNING):
        actual = list(evaluation_batches(people, 2, SIZE))
    assert [names for _, names in actual] == [["action0", "action2"], ["action1"]]
    assert "skipped, 2 so far: photo3.jpg" in caplog.text
