"""Skeletons of users are lifted as in the training, wherever they are in the photo."""

import dataclasses

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.inference.skeletons import SkeletonReconstruction
from prohmr_jax.models.lifter_spec import build_lifter
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.weights.weight_files import save_weights
from tests.support.lifting_cases import SMALL_LIFTER, random_variables


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Weights with a mixture and with one answer."""
    folder = tmp_path_factory.mktemp("skeletons")
    for head in ("mixture", "point"):
        spec = dataclasses.replace(SMALL_LIFTER, head=head)
        save_weights(folder / f"{head}.npz", spec, random_variables(spec), np.float32)
    return folder


def test_position_and_size_in_the_photo_do_not_matter(rng, files):
    reconstruction = SkeletonReconstruction(files / "mixture.npz")
    xy = rng.uniform(-0.5, 0.5, (3, 2, 5, 2)).astype(np.float32)
    lifted = reconstruction.lift(640.0 + 300.0 * xy, num_samples=4, seed=1)
    assert lifted.answer.shape == (3, 2, 4, 3)
    assert lifted.samples.shape == (3, 2, 4, 4, 3)
    moved = reconstruction.lift(50.0 + 70.0 * xy, num_samples=4, seed=1)
    np.testing.assert_allclose(moved.answer, lifted.answer, atol=1e-4)
    np.testing.assert_allclose(moved.samples, lifted.samples, atol=1e-3)
    # Centre of the tight box and 1.2 times its larger side, in NumPy.
    low, high = xy.min(axis=2, keepdims=True), xy.max(axis=2, keepdims=True)
    side = 1.2 * np.max(high - low, axis=-1, keepdims=True)
    inside = (xy - (low + high) / 2) / side
    spec = dataclasses.replace(SMALL_LIFTER, head="mixture")
    model, variables = build_lifter(spec), random_variables(spec)
    shown = Keypoints2D(inside, np.ones(inside.shape[:-1], np.float32))
    zero = np.zeros((3, 2, 1, 12), np.float32)
    expected = model.apply(variables, shown, zero).joints[..., 0, :, :]
    np.testing.assert_allclose(lifted.answer, expected, atol=1e-4)


def test_what_cannot_be_lifted_is_refused(rng, files):
    reconstruction = SkeletonReconstruction(files / "point.npz")
    xy = rng.uniform(size=(2, 5, 2))
    with pytest.raises(InputError, match=r"shape \(2, 4, 2\), not \[..., 5, 2\]"):
        reconstruction.lift(xy[:, 1:])
    with pytest.raises(InputError, match="one answer"):
        reconstruction.lift(xy, num_samples=3)
    xy[1, 2, 0] = np.nan
    with pytest.raises(InputError, match="not finite"):
        reconstruction.lift(xy)
