"""Measures of people in single pictures, with a solver that stays where it starts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.evaluation.planted_failures import KEYPOINT_FAULTS
from prohmr_jax.evaluation.plausibility_errors import (
    FIT,
    PREDICTION,
    Study,
    measure_one_view,
)
from prohmr_jax.fitting import keypoints
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.priors.gaussian_mixture import load_pose_prior, sample_axis_angle
from prohmr_jax.solver.problem import Minimum
from tests.support.keypoint_training import TINY


def stay(objective, initial, data, settings):
    """A solver that stays where it starts."""
    people = jax.tree.leaves(initial)[0].shape[:1]
    zero, none = jnp.zeros(people, jnp.int32), jnp.zeros(people)
    return Minimum(initial, none, none, zero, zero, zero)


def test_a_fit_that_stays_has_the_measures_of_the_prediction(tiny_body, monkeypatch):
    monkeypatch.setattr(keypoints, "minimise_batch", stay)
    spec = ModelSpec(**TINY, flow_batch_norm=False, flow_affine=True)
    model = prepare(
        build_model(spec), init_variables(build_model(spec), jax.random.key(0))
    )
    study = Study(model, tiny_body, CONDITIONS["exact"], 1, 2, 0)
    poses = np.asarray(sample_axis_angle(load_pose_prior(), jax.random.key(0), (3,)))
    good = measure_one_view(study, poses)
    scaled = measure_one_view(study, poses, KEYPOINT_FAULTS["normalised positions"])
    for measured in (good, scaled):
        mode, fit = measured[PREDICTION], measured[FIT]
        assert mode.stature_m.shape == (3,)
        for name in ("log_density", "largest_beta", "stature_m", "box_px"):
            np.testing.assert_allclose(
                getattr(mode, name), getattr(fit, name), rtol=1e-5, err_msg=name
            )
        # The camera of the photo and that of the crop have one field of view for a box.
        np.testing.assert_allclose(mode.box_m, fit.box_m, rtol=1e-4)
        assert fit.log_density == pytest.approx(72.0)
    assert good[FIT].box_px.min() > 10
    assert scaled[FIT].box_px.max() < 10
    np.testing.assert_allclose(good[FIT].box_px, 1000 * scaled[FIT].box_px, rtol=1e-3)
