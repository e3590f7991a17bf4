"""Weights, training directories and results of an older version can still be used."""

import functools
import itertools
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
import pytest

from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.data.augmentation import AugmentationSettings
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.pipeline import BatchSettings, training_batches
from prohmr_jax.data.records import MocapArrays
from prohmr_jax.files.body_files import read_body
from prohmr_jax.inference.predict import predict
from prohmr_jax.inference.results import read_result
from prohmr_jax.models.discriminator import Discriminator
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.heads import ShapeCameraHead
from prohmr_jax.models.prohmr import POSE_FEATURES, ProHMR, prepare
from prohmr_jax.models.resnet import ResNet
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Keypoints2D
from prohmr_jax.training import adversarial
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.image_model import make_training
from prohmr_jax.training.loop import (
    AXIS,
    LoopSettings,
    replicate,
    run_training,
    shard,
)
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer
from prohmr_jax.weights.starting_weights import (
    load_starting_discriminator,
    load_starting_model,
)
from prohmr_jax.weights.weight_files import load_weights
from tests.support.datasets_case import make_record, write_people
from tests.support.image_training import WEIGHTS
from tests.support.old_files import OLD_FILES, old_file

SPEC = ModelSpec(encoder="resnet18", context_features=512)
SmallDiscriminator = functools.partial(Discriminator, hidden_features=8)


@pytest.mark.parametrize("name", ["keypoint_weights.npz", "weights_directory"])
def test_weights_predict_what_they_predicted(name):
    spec, variables = load_weights(old_file(name))
    assert (spec.encoder_width, spec.flow_hidden) == (8, 4)
    model = prepare(build_model(spec), variables)
    with np.load(OLD_FILES / "prediction.npz") as before:
        keypoints = Keypoints2D(before["xy"], before["confidence"])
        key = jax.random.key(0)
        predicted = predict(model, read_body("open"), keypoints, key, 1)
        # The extra joints of the open body lay elsewhere in the older version.
        body_25 = slice(len(BODY_25))
        for result, expected in (
            (predicted.joints_2d, before["joints_2d"]),
            (predicted.body.joints, before["joints"]),
        ):
            np.testing.assert_allclose(
                result[..., body_25, :], expected[..., body_25, :], atol=1e-4
            )


def test_a_discriminator_comes_back_under_either_name():
    fresh = jax.jit(SmallDiscriminator().init)(
        jax.random.key(0), jnp.zeros((23, 3, 3)), jnp.zeros(10)
    )["params"]
    for directory in ("weights_directory", "image_training"):
        params = load_starting_discriminator(old_file(directory), fresh)
        assert np.any(params["betas_fc1"]["kernel"] != fresh["betas_fc1"]["kernel"])
    _, variables = load_weights(old_file("weights_directory"))
    same = load_starting_model(old_file("weights_directory"), variables)
    jax.tree.map(np.testing.assert_array_equal, same, variables)


def small_model(axis_name=None):
    """The model of the training directory."""
    encoder = ResNet(bottleneck=False, stages=(1,), axis_name=axis_name, width=4)
    return ProHMR(
        encoder=encoder,
        flow=ConditionalGlow(
            features=POSE_FEATURES,
            hidden_features=4,
            context_features=encoder.features,
            num_layers=1,
            num_blocks=1,
            dropout_rate=0.2,
            axis_name=axis_name,
        ),
        head=ShapeCameraHead(encoder.features, hidden_features=4),
    )


def test_a_training_goes_on_by_one_step(tmp_path, monkeypatch):
    monkeypatch.setattr(adversarial, "Discriminator", SmallDiscriminator)
    directory = tmp_path / "run"
    shutil.copytree(old_file("image_training"), directory)
    people = write_people(tmp_path / "people", [make_record(n) for n in range(6)])
    rng = np.random.default_rng(0)

    def batches():
        return training_batches(
            [Source(str(people), "train", 1.0)],
            MocapArrays(rng.normal(size=(5, 69)), rng.normal(size=(5, 10))),
            BatchSettings(2, 16, num_betas=10, poses_per_image=2),
            AugmentationSettings(),
            seed=3,
        )

    optimizer = make_optimizer(OptimizerSettings(), 4)
    fresh, step = make_training(
        small_model(AXIS),
        init_variables(small_model(), jax.random.key(1)),
        Objective(WEIGHTS),
        (optimizer, optimizer),
        seed=0,
        axis_name=AXIS,
    )
    data = batches()
    checkpoints = StateCheckpoints(directory, SPEC, keep=1, data=data)
    resumed = checkpoints.restore(fresh)
    saved = read_as_it_lies(directory)
    assert int(resumed.step) == 2
    assert {"critic_params", "critic_opt_state"} < set(saved)
    jax.tree.map(
        np.testing.assert_array_equal,
        resumed.discriminator_params,
        saved["critic_params"],
    )
    # Two batches were read before: the run goes on with the third.
    (third,) = itertools.islice(batches(), 2, 3)
    np.testing.assert_array_equal(next(data).images.image, third.images.image)

    body = replicate(read_body("open"))
    inputs = ((shard(batch), body) for batch in data)
    settings = LoopSettings(3, 2, log_every=1, checkpoint_every=1)
    run_training(SPEC, fresh, step, inputs, settings, checkpoints)
    after = StateCheckpoints(directory, SPEC, data=batches()).restore(fresh)
    assert (int(after.step), int(after.skipped)) == (3, 0)
    for name in ("params", "discriminator_params", "discriminator_opt_state"):
        leaves = zip(
            jax.tree.leaves(getattr(after, name)),
            jax.tree.leaves(getattr(resumed, name)),
            strict=True,
        )
        assert any(np.any(new != old) for new, old in leaves)
    assert "discriminator_params" in read_as_it_lies(directory)


def read_as_it_lies(directory):
    """The latest state as plain trees, by the names in the file."""
    with ocp.CheckpointManager(directory / "states") as manager:
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        return manager.restore(manager.latest_step(), args=items)["state"]


def test_a_result_of_the_demo_is_read():
    result = read_result(OLD_FILES / "demo" / "person_person0.npz")
    assert result.provenance.seed == 0
    assert (result.provenance.frame, result.provenance.track_id) == (-1, "")
    assert result.provenance.weights == "keypoint_weights.npz"
    assert result.pose_rotmat.shape == (4, 24, 3, 3)
    assert np.isfinite(result.vertices).all()
    assert result.plausible is None
    assert not result.is_implausible


def test_a_table_of_a_bulk_fit_is_read():
    table, provenance, left_out = read_table(OLD_FILES / "fit" / "fits.npz")
    assert table.fit_pose_axis_angle.shape == (1, 24, 3)
    assert table.fit_loss < table.fit_start_loss
    assert table.track_id is None
    assert table.fit_plausible is None
    assert implausible_people(table) == []
    assert provenance["weights"] == "keypoint_weights.npz"
    assert not left_out
