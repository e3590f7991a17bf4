"""A model of errors is found again from detections that were drawn from it."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from prohmr_jax.body import body_joints
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.priors.detector_errors import (
    NORMAL_GRID,
    PART_OF_17,
    PARTS,
    STATES,
    both_sides,
    load_detector_errors,
    save_detector_errors,
)
from prohmr_jax.structs import Camera, Keypoints2D, SmplParams
from prohmr_jax.synthetic.detector_views import TrueViews, ViewSettings
from prohmr_jax.synthetic.error_report import error_report
from prohmr_jax.synthetic.fit_detector_errors import fit_detector_errors
from prohmr_jax.synthetic.measured_views import (
    MeasuredViews,
    chunk_path,
    read_chunks,
    write_chunk,
)
from prohmr_jax.synthetic.simulated_detector import detect_as_measured
from prohmr_jax.synthetic.view_geometry import reported, view_geometry

PEOPLE = 1024
P, S, N = len(PARTS), len(STATES), 6
ERROR = 0.006
SWAP_RATE = 0.25


def true_parts():
    """Gaussian errors, offsets of some centimetres, sides exchanged from behind."""
    rng = np.random.default_rng(0)
    offset = 0.08 * rng.normal(size=(P, 2, 3))
    offset[PARTS.index("nose"), :, 0] = 0.0
    swap_rate = np.zeros((6, 4, 3))
    swap_rate[3:] = SWAP_RATE
    probability = scipy.stats.norm.cdf(NORMAL_GRID)
    return {
        "offset": offset,
        "swap_rate": swap_rate,
        "swap_correlation": np.array(0.9),
        "score_quantiles": np.tile(0.4 + 0.5 * probability, (S, P, 1)),
        "score_cholesky": np.eye(17),
        "score_edges": np.tile(np.linspace(0.45, 0.85, N - 1), (S, P, 1)),
        "bias": np.zeros((S, P, N, 2)),
        "ellipse": np.tile(ERROR * np.eye(2), (S, P, N, 1, 1)),
        "radius_quantiles": np.tile(
            scipy.stats.rayleigh.ppf(probability), (S, P, N, 1)
        ),
        "radius_cholesky": np.eye(17),
    }


@pytest.fixture(scope="module")
def body():
    return jax.tree.map(jnp.asarray, read_body("open"))


@pytest.fixture(scope="module")
def views(body):
    rng = np.random.default_rng(1)
    pose = 0.35 * rng.normal(size=(PEOPLE, 24, 3))
    # Upright people, who are seen from all sides.
    heading = rng.uniform(0, 2 * np.pi, PEOPLE)
    half = np.stack([np.cos(heading / 2), np.zeros(PEOPLE), np.sin(heading / 2)], -1)
    pose[:, 0] = np.pi * half
    true = TrueViews(
        axis_angle=np.float32(pose),
        betas=rng.normal(size=(PEOPLE, 10)).astype(np.float32),
        translation=np.tile(np.float32([0.1, 0.0, 5.0]), (PEOPLE, 1)),
        focal_length=np.full(PEOPLE, 300.0, np.float32),
        center=np.full((PEOPLE, 2), 96.0, np.float32),
    )
    covered = np.zeros((PEOPLE, 17), bool)
    errors = both_sides(true_parts())

    def detections(key, true, covered):
        rotmats = axis_angle_to_rotmat(true.axis_angle)
        posed = body_joints(body, SmplParams.from_rotmats(rotmats, true.betas))
        focal = jnp.stack(2 * [true.focal_length])
        camera = Camera(true.translation, focal, true.center)
        return detect_as_measured(key, errors, posed, rotmats, camera, covered)

    keys = jax.random.split(jax.random.key(2), PEOPLE)
    detected = jax.jit(jax.vmap(detections))(keys, true, covered)
    return MeasuredViews(true, jax.tree.map(np.asarray, detected), covered)


@pytest.fixture(scope="module")
def fitted(body, views):
    return fit_detector_errors(view_geometry(body, views))


def test_the_offsets_are_found(fitted):
    difference = fitted["offset"] - true_parts()["offset"]
    # The two bones of the head hardly move apart, so only their sum is known well.
    face = [PARTS.index(part) for part in ("nose", "eye", "ear")]
    limbs = np.setdiff1d(np.arange(P), face)
    assert np.abs(difference[limbs]).max() < 0.02
    assert np.abs(difference[face].sum(axis=1)).max() < 0.03


def test_the_errors_are_found(fitted):
    in_sight = STATES.index("in sight")
    spread = np.sqrt(np.mean(fitted["ellipse"][in_sight] ** 2, axis=(-1, -2)) * 2)
    radius = fitted["radius_quantiles"][in_sight][..., len(NORMAL_GRID) // 2]
    median = np.sqrt(2 * np.log(2)) * ERROR
    # A linear projection of the offsets leaves about a thousandth of the size.
    np.testing.assert_allclose(np.mean(spread * radius), median, rtol=0.1)


def test_scores_and_their_independence_are_found(fitted):
    middle = fitted["score_quantiles"][0][:, len(NORMAL_GRID) // 2]
    np.testing.assert_allclose(middle, 0.65, atol=0.03)
    correlation = fitted["score_cholesky"] @ fitted["score_cholesky"].T
    assert np.abs(correlation - np.eye(17)).max() < 0.12


def test_exchanged_sides_are_found_from_behind_alone(fitted):
    wide = fitted["swap_rate"][:, 2:, 1:]
    assert wide[:3].max() < 0.03
    assert abs(wide[3:].mean() - SWAP_RATE) < 0.06
    assert fitted["swap_correlation"] > 0.6


def test_a_report_has_a_row_for_every_joint(body, views, fitted):
    geometry = view_geometry(body, views)
    text = error_report(fitted, geometry, geometry)
    for part in PARTS:
        assert text.count(f"| {part} ") == 2
    assert "180 degrees" in text


def test_views_that_are_not_reported_are_left_out(body, views):
    geometry = view_geometry(body, views)
    scores = np.sort(geometry.score, axis=1)[:, -8:].mean(axis=1)
    kept = reported(geometry, 0.75)
    assert 0 < len(kept.angle) == np.sum(scores >= 0.75) < PEOPLE


def test_a_model_is_kept_in_a_file(tmp_path, fitted):
    path = tmp_path / "errors.npz"
    save_detector_errors(path, fitted)
    kept, expected = load_detector_errors(path), both_sides(fitted)
    for field in dataclasses.fields(expected):
        np.testing.assert_allclose(
            getattr(kept, field.name), getattr(expected, field.name), atol=1e-6
        )


def test_a_model_that_contradicts_itself_is_refused(tmp_path, fitted):
    path = tmp_path / "errors.npz"
    save_detector_errors(path, fitted | {"swap_rate": fitted["swap_rate"] + 2})
    with pytest.raises(InputError, match="swap_rate"):
        load_detector_errors(path)
    quantiles = fitted["score_quantiles"][..., ::-1]
    save_detector_errors(path, fitted | {"score_quantiles": quantiles})
    with pytest.raises(InputError, match="score_quantiles"):
        load_detector_errors(path)


def test_the_model_that_ships_is_symmetric_and_sane():
    errors = load_detector_errors()
    assert errors.offset.shape[0] == len(PART_OF_17)
    # The detector's joints are within the body: offsets are parts of a bone.
    assert np.abs(np.sum(errors.offset, axis=1)).max() < 0.5
    from_behind, from_front = errors.swap_rate[-1], errors.swap_rate[0]
    assert np.all(np.mean(from_behind, axis=0) > np.mean(from_front, axis=0))
    # Joints in sight have better scores than those out of sight.
    middle = errors.score_quantiles[..., len(NORMAL_GRID) // 2]
    assert np.all(middle[0] > middle[2])


def test_chunks_are_read_as_they_were_written(tmp_path, views):
    settings = ViewSettings(people=4, views=2)
    part = jax.tree.map(lambda a: a[:8], views)
    with pytest.raises(InputError, match="no views"):
        read_chunks(tmp_path, settings)
    write_chunk(chunk_path(tmp_path, 0), part, settings, held_out=False)
    write_chunk(chunk_path(tmp_path, 1), part, settings, held_out=True)
    for kept in read_chunks(tmp_path, settings):
        assert isinstance(kept.detected, Keypoints2D)
        for a, b in zip(jax.tree.leaves(kept), jax.tree.leaves(part), strict=True):
            np.testing.assert_allclose(a, b)
    with pytest.raises(InputError, match="other settings"):
        read_chunks(tmp_path, ViewSettings(people=5, views=2))
