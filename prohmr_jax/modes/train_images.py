"""Trains an image-conditioned model as a config says."""

import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import grain
import jax
import ml_collections
from jax.experimental import multihost_utils

from prohmr_jax.body import BodyModel
from prohmr_jax.data.augmentation import AugmentationSettings
from prohmr_jax.data.dataset_reader import Source
from prohmr_jax.data.datasets.mocap import read_mocap
from prohmr_jax.data.pipeline import (
    BatchSettings,
    ReadingSettings,
    evaluation_batches,
    training_batches,
)
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.body_errors import mean_body, mean_pose
from prohmr_jax.evaluation.image_errors import score
from prohmr_jax.evaluation.image_report import (
    LearningCurve,
    draw_people,
    h36m_scalars,
    write_page,
)
from prohmr_jax.files.assets import IMAGE_ENCODER
from prohmr_jax.files.body_hash import BodyIdentity, read_identified_body
from prohmr_jax.files.images import write_png
from prohmr_jax.models.prohmr import prepare
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.priors.gaussian_mixture import load_pose_prior
from prohmr_jax.structs import LossTerms
from prohmr_jax.synthetic.dataset import SyntheticSettings, make_synthetic_humans
from prohmr_jax.synthetic.pose_source import read_poses, training_mocap
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.image_model import fresh_discriminator, make_training, whitened
from prohmr_jax.training.loop import (
    AXIS,
    Evaluation,
    LoopSettings,
    people_per_device,
    replicate,
    run_training,
    shard,
)
from prohmr_jax.training.objective import Objective, without_mode
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer
from prohmr_jax.training.train_state import TrainState
from prohmr_jax.weights.starting_weights import (
    load_starting_discriminator,
    load_starting_encoder,
    load_starting_model,
)

# Number of poses for the discriminator where the config names no captured ones.
_MOCAP_ROWS = 20_000
# Value of `config.encoder_weights` for the weights that ship.
_SHIPPED = "shipped"


def run(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> pathlib.Path:
    """Trains an image-conditioned ProHMR until `num_steps`, or resumes it.

    Args:
      config: settings, as in `configs/prohmr.py`.
      workdir: training directory. States, TensorBoard events and, at the end,
        `weights.npz` and `report/index.md`, with errors, learning curve and pictures,
        are written there.

    Returns:
      The path of the weights file.

    Raises:
      InputError: something that the config names cannot be used.
    """
    people_per_device(config.batch_size)
    spec = ModelSpec(**config.model)
    body, identity = read_identified_body(config.body)
    weights = LossTerms(**config.loss_weights)
    if weights.readout and not spec.readout:
        raise InputError("config.loss_weights.readout", "needs config.model.readout")
    objective = Objective(
        weights=weights if config.mode_loss else without_mode(weights),
        num_hypotheses=config.num_hypotheses,
        label_noise=config.label_noise,
        readout_alone_steps=config.readout_alone_steps,
    )
    settings = OptimizerSettings(**config.optimizer)
    optimizer = make_optimizer(settings, config.num_steps)

    if config.synthetic.directory:
        _make_people(config)
    batches = _training_data(config, spec)
    checkpoints = StateCheckpoints(workdir, spec, data=batches, body=identity)
    resumed = checkpoints.latest_step is not None
    variables, discriminator_params = _start(config, spec, identity, resumed)
    state, step_function = make_training(
        build_model(spec, AXIS),
        variables,
        objective,
        (optimizer, optimizer),
        seed=config.seed,
        average_decay=config.average_decay,
        axis_name=AXIS,
        discriminator_params=discriminator_params,
    )
    return run_training(
        spec,
        state,
        step_function,
        _with_body(batches, body),
        LoopSettings(
            num_steps=config.num_steps,
            batch_size=config.batch_size,
            log_every=config.log_every,
            checkpoint_every=config.checkpoint_every,
            evaluate_every=config.evaluation.every,
        ),
        checkpoints,
        _evaluation(config, spec, body, workdir),
    )


def _start(
    config: ml_collections.ConfigDict,
    spec: ModelSpec,
    body: BodyIdentity,
    resumed: bool,
) -> tuple[dict, Any]:
    """Returns the weights of model and discriminator before the first step."""
    model = build_model(spec)
    variables = init_variables(model, jax.random.key(config.seed))
    discriminator_params = fresh_discriminator(model, config.seed)
    if resumed:  # The saved state will replace these.
        return variables, discriminator_params
    if config.weights:
        return (
            load_starting_model(config.weights, variables, body),
            load_starting_discriminator(config.weights, discriminator_params),
        )
    if config.encoder_weights:
        shipped = config.encoder_weights == _SHIPPED
        path = IMAGE_ENCODER if shipped else config.encoder_weights
        variables = load_starting_encoder(path, spec, variables)
    # From another iterator, so that the position of the run's one is not changed.
    first = next(_training_data(config, spec, whole_batch=True))
    return whitened(model, variables, first.images), discriminator_params


def _with_body(batches: Iterator[Any], body: BodyModel) -> Iterator[Any]:
    """Yields what a step reads, with a leading axis of this host's devices."""
    replicated = replicate(body)
    for batch in batches:
        yield shard(batch), replicated


def _make_people(config: ml_collections.ConfigDict) -> None:
    """Renders the dataset that the config describes, unless it exists already."""
    settings = config.synthetic.to_dict()
    directory, workers = settings.pop("directory"), settings.pop("workers")
    if jax.process_index() == 0:
        content = SyntheticSettings(**settings, body=config.body)
        make_synthetic_humans(directory, content, workers)
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices("dataset")


def _training_data(
    config: ml_collections.ConfigDict, spec: ModelSpec, whole_batch: bool = False
) -> grain.DatasetIterator:
    """Returns the iterator of a run, with this host's rows of the same batches."""
    if config.mocap:
        mocap = read_mocap(config.mocap)
    else:
        key = jax.random.key(config.seed)
        mocap = training_mocap(read_poses(), key, _MOCAP_ROWS)
    process_index, process_count = 0, 1
    if not whole_batch:
        process_index, process_count = jax.process_index(), jax.process_count()
    return training_batches(
        [Source(**source) for source in config.sources.values()],
        mocap,
        BatchSettings(
            batch_size=config.batch_size,
            input_size=spec.input_size,
            num_betas=spec.num_betas,
            poses_per_image=config.num_hypotheses,
            coarse_size=config.coarse.input_size,
            num_coarse=config.coarse.num_steps,
        ),
        AugmentationSettings(**config.augmentation),
        config.seed,
        ReadingSettings(process_index, process_count, config.num_workers),
    )


def _evaluation(
    config: ml_collections.ConfigDict,
    spec: ModelSpec,
    body: BodyModel,
    workdir: pathlib.Path,
) -> Callable[[TrainState], Evaluation] | None:
    """Returns a function that evaluates a state on people that training never sees.

    It also writes the report and the learning curve. None is returned where the config
    wants no evaluation.
    """
    settings = config.evaluation
    if not settings.every:
        return None
    source = Source(**config.validation, weight=1.0)
    baseline = mean_body(body, mean_pose(load_pose_prior()))
    curve = LearningCurve(workdir / "evaluations.csv")
    report = workdir / "report"
    model = build_model(spec)

    def evaluate(state: TrainState) -> Evaluation:
        prepared = prepare(model, state.variables)
        batches = evaluation_batches(
            source, settings.batch_size, spec.input_size, settings.num_people
        )
        scores = score(
            prepared, body, baseline, batches, settings.num_samples, config.seed,
            source.directory,
        )  # fmt: skip
        if jax.process_index() == 0:
            curve.add(int(state.step), scores)
            curve.draw(report / "curve.png")
        shown, _ = next(iter(
            evaluation_batches(source, settings.num_pictures, spec.input_size)
        ))  # fmt: skip
        picture = draw_people(prepared, body, shown, config.seed)
        if jax.process_index() == 0:
            write_png(report / "people.png", picture)
            write_page(
                report,
                f"{spec.encoder} at {spec.input_size} px after {int(state.step)} steps",
                scores,
                settings.num_samples,
                ("curve.png", "people.png"),
            )
        errors = h36m_scalars(scores)
        scalars = {f"evaluation/{name}": value for name, value in errors.items()}
        return Evaluation(scalars, {"evaluation/people": picture})

    return evaluate
