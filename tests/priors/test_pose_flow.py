"""The flow over body poses: the one that ships, its file, and its maker."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.geometry.rotations import pose_6d_to_rotmat, rotmat_to_pose_6d
from prohmr_jax.models.prepared_flow import log_prob, project_context, sample
from prohmr_jax.poses.bank import PoseBank, write_pose_bank
from prohmr_jax.priors.gaussian_mixture import load_pose_prior, sample_axis_angle
from prohmr_jax.priors.pose_flow import (
    BODY_FEATURES,
    LABEL_NOISE,
    body_features,
    load_pose_flow,
)
from tests.support.tools import tool


@pytest.fixture(scope="module")
def flow():
    return load_pose_flow()


@pytest.fixture(scope="module")
def poses():
    return sample_axis_angle(load_pose_prior(), jax.random.key(0), (200,))


def noisy(features):
    return features + LABEL_NOISE * jax.random.normal(jax.random.key(1), features.shape)


def test_poses_of_people_are_likelier_than_others(flow, poses):
    context = project_context(flow)
    plausible = log_prob(flow, noisy(body_features(poses)), context)[0]
    # Each joint as some person has it, all of different people.
    shuffled = jax.vmap(jax.random.permutation, (0, 1), 1)(
        jax.random.split(jax.random.key(2), 24), poses
    )
    mixed = log_prob(flow, noisy(body_features(shuffled)), context)[0]
    assert np.median(plausible) > np.median(mixed) + 30.0
    # Beyond what knees and elbows do.
    broken = log_prob(flow, noisy(body_features(-3.0 * poses)), context)[0]
    assert np.median(mixed) > np.median(broken) + 100.0


def test_draws_are_rotations(flow):
    z = jax.random.normal(jax.random.key(3), (100, BODY_FEATURES))
    drawn, _ = sample(flow, z, project_context(flow))
    drawn = drawn.reshape(100, -1, 6)
    again = rotmat_to_pose_6d(pose_6d_to_rotmat(drawn))
    assert np.abs(drawn - again).mean() < 0.03


def test_a_file_of_something_else_is_refused(tmp_path):
    np.savez(tmp_path / "x.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=r"x\.npz: has no array"):
        load_pose_flow(tmp_path / "x.npz")


@pytest.mark.slow
def test_the_tool_makes_one(tmp_path, capsys, poses):
    bank = tmp_path / "bank.npz"
    source = np.zeros(len(poses), np.uint8)
    write_pose_bank(bank, PoseBank(np.asarray(poses), source, ("prior",)))
    output = tmp_path / "flow.npz"
    arguments = ["--pose_bank", str(bank), "--output", str(output)]
    code = tool("make_pose_flow").main(
        [*arguments, "--num_steps", "30", "--batch_size", "32"]
    )
    assert code == 0
    assert "30 steps on 200 poses" in capsys.readouterr().out
    trained = load_pose_flow(output)
    held_out = sample_axis_angle(load_pose_prior(), jax.random.key(4), (50,))
    likely = log_prob(
        trained, noisy(body_features(held_out)), project_context(trained)
    )[0]
    assert np.isfinite(likely).all()
    assert jnp.median(likely) > 0.0


def test_the_tool_names_a_missing_bank(tmp_path, capsys):
    arguments = ["--pose_bank", str(tmp_path / "no.npz"), "--output", "x.npz"]
    assert tool("make_pose_flow").main(arguments) == 2
    assert "no.npz" in capsys.readouterr().err
