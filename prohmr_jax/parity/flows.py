"""Compares whole flows: densities, samples, gradients and statistics.

The Flax module and the flow that is prepared for inference are both compared.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models import prepared_flow
from prohmr_jax.models.flow import ConditionalGlow, initialize_actnorm
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.parity import states
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.precision import double
from prohmr_jax.parity.recipe import recipe_flow
from prohmr_jax.parity.report import GRADIENTS, VALUES, VALUES_FLOAT64, Report
from prohmr_jax.weights.official_layers import flow_from_official, flow_to_official
from prohmr_jax.weights.official_models import FLOW_PREFIX

PREPARED = " (prepared)"
# The standard deviation of constant columns is floored at 1e-3.
_AFTER_CONSTANT = "constant columns amplify rounding 1000 times"
# End of the names of biases before a batch norm, which takes them out again.
_BIAS_BEFORE_NORM = "linear_layers.0.bias"


def check_glow(case: GoldenFile, report: Report) -> None:
    """Compares a reduced flow in all modes that the file holds."""
    state = case.state("sd/")
    context = case.optional_input("context_features")
    flow = ConditionalGlow(
        features=int(case.input("features")),
        hidden_features=int(case.input("hidden_features")),
        context_features=0 if context is None else int(context),
        num_layers=int(case.input("num_layers")),
        num_blocks=int(case.input("num_blocks")),
        use_batch_norm=states.has_batch_norm(state),
        dropout_rate=0.0,
    )
    variables = flow_from_official(state, flow.context_features)
    states.check_flags(case, report, "sd/")
    for mode in ("eval", "train"):
        if case.keys(f"{mode}/"):
            _check_density(case, report, flow, variables, mode)
            _check_samples(case, report, flow, variables, mode)
    if case.keys("eval/"):
        _check_prepared(case, report, flow, variables)
    if case.keys("eval_f64/"):
        _check_float64(case, report, flow, variables)
    if case.keys("actnorm_init/"):
        _check_actnorm_init(case, report, flow, variables)


def _inputs(case: GoldenFile):
    return case.input("in/x"), case.optional_input("in/context")


def _per_image(context):
    """Returns the context with an axis for the samples of an image."""
    return None if context is None else context[:, None]


@functools.partial(jax.jit, static_argnames=("flow", "train"))
def density_and_gradients(flow, variables, x, context, train=False):
    """Returns the negative log-likelihood of poses, and its gradients.

    Args:
      flow: the Flax module.
      variables: `{params, batch_stats}` of the flow.
      x: flattened 6D poses, [B, N, 144].
      context: context vectors, [B, 1, C]; None for a flow without context.
      train: whether batches are normalised by their own statistics.

    Returns:
      (nll, (log_prob, z, updates)), and the gradients by params, context and x.
    """

    def nll(params, context, x):
        (log_prob, z), updates = flow.apply(
            {**variables, "params": params}, x, context, train,
            method="log_prob", mutable=["batch_stats"],
        )  # fmt: skip
        return -jnp.mean(log_prob), (log_prob, z, updates)

    return jax.value_and_grad(nll, argnums=(0, 1, 2), has_aux=True)(
        variables["params"], context, x
    )


@functools.partial(jax.jit, static_argnames=("flow", "train"))
def _samples_and_gradients(flow, variables, noise, context, weight, train):
    def loss(params, context, noise):
        (samples, log_prob), updates = flow.apply(
            {**variables, "params": params}, noise, _per_image(context), train,
            method="sample", mutable=["batch_stats"],
        )  # fmt: skip
        total = _sample_loss(samples, log_prob, weight)
        return total, (samples, log_prob, updates)

    return jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)(
        variables["params"], context, noise
    )


def _sample_loss(samples, log_prob, weight):
    return jnp.sum(samples * weight) + 0.1 * jnp.sum(log_prob)


def _compare_if_present(case, report, key, ours, tolerance=VALUES, **options):
    if key in case:
        report.compare(case, key, ours, tolerance, **options)


def _check_density(case, report, flow, variables, mode) -> None:
    x, context = _inputs(case)
    train = mode == "train"
    (nll, (log_prob, z, updates)), gradients = density_and_gradients(
        flow, variables, x, context, train
    )
    compare = functools.partial(_compare_if_present, case, report)
    compare(f"{mode}/log_prob", log_prob)
    compare(f"{mode}/z", z)
    compare(f"{mode}/nll", nll)
    compare(f"{mode}/nll_grad_in/context", gradients[1], GRADIENTS)
    compare(f"{mode}/nll_grad_in/x", gradients[2], GRADIENTS)
    zero = _BIAS_BEFORE_NORM if train and flow.use_batch_norm else None
    ours = flow_to_official(gradients[0])
    states.compare_gradients(case, report, f"{mode}/nll_grad/", ours, zero=zero)
    ours = flow_to_official(updates.get("batch_stats", {}))
    prefix = f"{mode}/after_log_prob_sd/"
    states.compare_state(case, report, prefix, ours, before="sd/")


def _check_samples(case, report, flow, variables, mode) -> None:
    if f"{mode}/samples" not in case:
        return
    _, context = _inputs(case)
    noise, weight = case.input("in/noise"), case.input("in/sample_loss_weight")
    train = mode == "train"
    (loss, (samples, log_prob, updates)), gradients = _samples_and_gradients(
        flow, variables, noise, context, weight, train
    )
    compare = functools.partial(_compare_if_present, case, report)
    compare(f"{mode}/samples", samples)
    compare(f"{mode}/sample_log_prob", log_prob)
    compare(f"{mode}/sample_loss", loss)
    compare(f"{mode}/sample_grad_in/context", gradients[1], GRADIENTS)
    compare(f"{mode}/sample_grad_in/noise", gradients[2], GRADIENTS)
    zero = _BIAS_BEFORE_NORM if train and flow.use_batch_norm else None
    ours = flow_to_official(gradients[0])
    states.compare_gradients(case, report, f"{mode}/sample_grad/", ours, zero=zero)
    ours = flow_to_official(updates.get("batch_stats", {}))
    prefix = f"{mode}/after_sample_sd/"
    states.compare_state(case, report, prefix, ours, before="sd/")
    if not train:
        # The official call with one sample per image: here rows do not affect others.
        compare(f"{mode}/one_samples", samples[:, :1])
        compare(f"{mode}/one_log_prob", log_prob[:, :1])
        compare(f"{mode}/one_z", noise[:, 0])


def _check_prepared(case, report, flow, variables) -> None:
    x, context = _inputs(case)
    folded = prepare_flow(flow, variables)
    compare = functools.partial(_compare_if_present, case, report, note=PREPARED)

    def nll(context, x):
        projected = prepared_flow.project_context(folded, context)
        log_prob, z = prepared_flow.log_prob(folded, x, projected)
        return -jnp.mean(log_prob), (log_prob, z)

    (value, (log_prob, z)), gradients = jax.jit(
        jax.value_and_grad(nll, argnums=(0, 1), has_aux=True)
    )(context, x)
    compare("eval/log_prob", log_prob)
    compare("eval/z", z)
    compare("eval/nll", value)
    compare("eval/nll_grad_in/context", gradients[0], GRADIENTS)
    compare("eval/nll_grad_in/x", gradients[1], GRADIENTS)
    if "eval/samples" not in case:
        return
    noise, weight = case.input("in/noise"), case.input("in/sample_loss_weight")

    def loss(context, noise):
        projected = prepared_flow.project_context(folded, _per_image(context))
        samples, log_prob = prepared_flow.sample(folded, noise, projected)
        return _sample_loss(samples, log_prob, weight), (samples, log_prob)

    (value, (samples, log_prob)), gradients = jax.jit(
        jax.value_and_grad(loss, argnums=(0, 1), has_aux=True)
    )(context, noise)
    compare("eval/samples", samples)
    compare("eval/sample_log_prob", log_prob)
    compare("eval/sample_loss", value)
    compare("eval/sample_grad_in/context", gradients[0], GRADIENTS)
    compare("eval/sample_grad_in/noise", gradients[1], GRADIENTS)


def _check_float64(case, report, flow, variables) -> None:
    with jax.enable_x64(True):
        variables = double(variables)
        x, context = double(_inputs(case))
        apply = jax.jit(flow.apply, static_argnames="method")
        log_prob, z = apply(variables, x, context, method="log_prob")
        ours = {"log_prob": log_prob, "z": z}
        if "eval_f64/samples" in case:
            noise = double(case.input("in/noise"))
            samples, log_prob = apply(
                variables, noise, _per_image(context), method="sample"
            )
            ours |= {"samples": samples, "sample_log_prob": log_prob}
        ours = jax.tree.map(np.asarray, ours)
    for name, value in ours.items():
        _compare_if_present(
            case, report, f"eval_f64/{name}", value, VALUES_FLOAT64
        )  # fmt: skip


@functools.partial(jax.jit, static_argnames="flow")
def _whiten(flow, variables, x, context):
    return flow.apply(
        variables, x, context, method="actnorm_from_data", mutable=["batch_stats"]
    )


def _check_actnorm_init(case, report, flow, variables) -> None:
    _, context = _inputs(case)
    x = case.input("actnorm_init/x")
    (actnorms, z), updates = _whiten(flow, variables, x, context)
    params = initialize_actnorm(variables["params"], actnorms)
    (_, (log_prob, again, _)), _ = density_and_gradients(
        flow, {**variables, "params": params}, x, context, True
    )
    options = {"tolerance": 1e-3, "absolute": True, "reason": _AFTER_CONSTANT}
    report.compare(case, "actnorm_init/z", z, **options)
    report.compare(case, "actnorm_init/z", again, note=" (another pass)", **options)
    report.compare(case, "actnorm_init/log_prob", log_prob)
    statistics = updates.get("batch_stats", {})
    ours = flow_to_official(actnorms) | flow_to_official(statistics)
    prefix = "actnorm_init/after_sd/"
    special = {"_transforms.3.shift": (2e-3, _AFTER_CONSTANT)}
    states.compare_state(case, report, prefix, ours, before="sd/", special=special)


def check_smplflow(case: GoldenFile, report: Report) -> None:
    """Compares the flow at the paper's size, with the recipe's weights."""
    flow, variables = recipe_flow(case.directory)
    context = case.input("in/feats")[:, None]
    pose = case.input("in/pose6d")
    (_, (log_prob, z, _)), gradients = density_and_gradients(
        flow, variables, pose, context
    )
    report.compare(case, "out/log_prob", log_prob)
    report.compare(case, "out/z", z)
    report.compare(case, "nll_grad_in/feats", gradients[1][:, 0], GRADIENTS)
    report.compare(case, "nll_grad_in/pose6d", gradients[2], GRADIENTS)
    ours = flow_to_official(gradients[0], FLOW_PREFIX)
    names = [str(name) for name in case.golden("grad_names")]
    report.compare(case, "grad_names", np.array([n for n in names if n in ours]))
    norms = case.golden("nll_grad_norm")
    first = case.golden("nll_grad_first8")
    for name, norm, eight in zip(names, norms, first, strict=True):
        gradient = ours[name].astype(np.float64)
        short = name.removeprefix(FLOW_PREFIX)
        report.measure(case, f"nll_grad_norm {short}", np.linalg.norm(gradient), norm,
                       GRADIENTS)  # fmt: skip
        report.measure(case, f"nll_grad_first8 {short}",
                       np.resize(gradient, eight.shape), eight, GRADIENTS)  # fmt: skip
    folded = prepare_flow(flow, variables)
    projected = prepared_flow.project_context(folded, jnp.asarray(context))
    log_prob, z = jax.jit(prepared_flow.log_prob)(folded, jnp.asarray(pose), projected)
    report.compare(case, "out/log_prob", log_prob, note=PREPARED)
    report.compare(case, "out/z", z, note=PREPARED)
