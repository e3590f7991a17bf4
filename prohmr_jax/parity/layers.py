"""Compares single layers of the flow, each in both directions."""

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax.models.conditioner import ResidualNet
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.flow_layers import LU_EPS, ActNorm, Coupling, LULinear
from prohmr_jax.parity import states
from prohmr_jax.parity.golden import GoldenFile
from prohmr_jax.parity.report import Report

_FLOORED = "columns whose std is floored at 1e-3 amplify rounding 1000 times"


def check_layers(case: GoldenFile, report: Report) -> None:
    """Compares every layer that the file holds; its name tells the kind."""
    for layer in case.groups():
        for kind, check in _KINDS:
            if layer.startswith(kind):
                check(case, report, layer)
                break


def _check_lulinear(case: GoldenFile, report: Report, layer: str) -> None:
    state = case.state(f"{layer}/sd/")
    module = LULinear(len(state["bias"]))
    variables = states.layer_variables(state)
    _check_directions(case, report, layer, module, variables, None)
    lower, upper = jax.device_get(module.apply(variables, method="factors"))
    report.compare(case, f"{layer}/L", lower)
    report.compare(case, f"{layer}/U", upper)
    report.compare(case, f"{layer}/upper_diag", np.diagonal(upper))
    report.compare(case, f"{layer}/weight", lower @ upper)
    identity = jnp.eye(module.features)
    # Rows of the identity, less the bias, come out as the columns of the inverse.
    inverse, _ = module.apply(variables, identity + state["bias"], None,
                              method="inverse")  # fmt: skip
    report.compare(case, f"{layer}/weight_inverse", inverse.T)


def _check_lulinear_default(case: GoldenFile, report: Report, layer: str) -> None:
    key = f"{layer}/unconstrained_upper_diag"
    features = len(case.golden(key))
    variables = LULinear(features).init(
        jax.random.key(0), jnp.zeros(features), None, method="forward"
    )
    report.compare(case, key, variables["params"]["unconstrained_upper_diag"])
    report.compare(case, f"{layer}/eps", np.float64(LU_EPS))


def _check_actnorm(case: GoldenFile, report: Report, layer: str) -> None:
    state = case.state(f"{layer}/sd/")
    module = ActNorm(len(state["shift"]))
    variables = states.layer_variables(state)
    _check_directions(case, report, layer, module, variables, None)


def _check_actnorm_from_data(case: GoldenFile, report: Report, layer: str) -> None:
    x = case.input(f"{layer}/in/x")
    features = x.shape[-1]
    flow = ConditionalGlow(features, 4, 0, num_layers=1, num_blocks=1)
    variables = flow.init(jax.random.key(0), x, method="forward")
    actnorms, _ = flow.apply(variables, x, None, False, method="actnorm_from_data")
    params = actnorms["layers_0"]
    y, log_det = ActNorm(features).apply({"params": params}, x, None, method="forward")
    floored = np.std(x, axis=0, ddof=1) < 1e-3
    floored = np.broadcast_to(floored, x.shape)
    report.compare(case, f"{layer}/y", y, where=~floored)
    report.compare(case, f"{layer}/y", y, 1e-3, where=floored, absolute=True,
                   note=" (constant columns)", reason=_FLOORED)  # fmt: skip
    report.compare(case, f"{layer}/logabsdet", log_det)
    prefix = f"{layer}/after_sd/"
    ours = states.layer_to_official(params)
    states.compare_state(case, report, prefix, ours, before="")


def _check_residual_net(case: GoldenFile, report: Report, layer: str) -> None:
    x, context = case.input(f"{layer}/in/x"), case.optional_input(f"{layer}/in/context")
    state = case.state(f"{layer}/sd/")
    width = 0 if context is None else context.shape[-1]
    module = ResidualNet(
        in_features=x.shape[-1],
        out_features=len(state["final_layer.bias"]),
        hidden_features=len(state["initial_layer.bias"]),
        context_features=width,
        num_blocks=states.count_blocks(state),
        use_batch_norm=states.has_batch_norm(state),
        dropout_rate=0.0,
    )
    variables = states.layer_variables(state, width, "transform_net.")
    y = jax.jit(module.apply)(variables, x, context)
    report.compare(case, f"{layer}/eval/y", y)
    states.check_flags(case, report, f"{layer}/sd/")
    if f"{layer}/train_p0/y" in case:
        apply = jax.jit(module.apply, static_argnames=("train", "mutable"))
        y, updates = apply(variables, x, context, train=True, mutable="batch_stats")
        report.compare(case, f"{layer}/train_p0/y", y)
        ours = states.layer_to_official(updates.get("batch_stats", {}))
        prefix = f"{layer}/train_p0/after_sd/"
        states.compare_state(case, report, prefix, ours, before=f"{layer}/sd/")


def _check_coupling(case: GoldenFile, report: Report, layer: str) -> None:
    context = case.optional_input(f"{layer}/in/context")
    width = 0 if context is None else context.shape[-1]
    state = case.state(f"{layer}/sd/")
    features = len(state["identity_features"]) + len(state["transform_features"])
    module = Coupling(
        features=features,
        first_identity=int(state["identity_features"][0]),
        hidden_features=len(state["transform_net.initial_layer.bias"]),
        context_features=width,
        num_blocks=states.count_blocks(state),
        use_batch_norm=states.has_batch_norm(state),
        dropout_rate=0.0,
    )
    _check_directions(case, report, layer, module,
                      states.layer_variables(state, width), context)  # fmt: skip
    if f"{layer}/mask" in case:
        shifted = np.zeros(features, bool)
        shifted[module.transform_features] = True
        sign = np.where(shifted, np.float32(1), np.float32(-1))
        report.compare(case, f"{layer}/mask", sign)


def _check_directions(case, report, layer, module, variables, context) -> None:
    """Compares data to noise, back, and noise to data: values and log-determinants."""
    x, u = case.input(f"{layer}/in/x"), case.input(f"{layer}/in/u")
    apply = jax.jit(module.apply, static_argnames="method")
    y, log_det = apply(variables, x, context, method="forward")
    report.compare(case, f"{layer}/y", y)
    report.compare(case, f"{layer}/logabsdet", log_det)
    back, log_det = apply(variables, y, context, method="inverse")
    report.compare(case, f"{layer}/inv_y", back)
    report.compare(case, f"{layer}/inv_logabsdet", log_det)
    data, log_det = apply(variables, u, context, method="inverse")
    report.compare(case, f"{layer}/inv_u", data)
    report.compare(case, f"{layer}/inv_u_logabsdet", log_det)
    states.check_flags(case, report, f"{layer}/sd/")


# First part of a layer's name and its check. The first match decides, so that longer
# names stand before shorter ones.
_KINDS = (
    ("lulinear_default", _check_lulinear_default),
    ("lulinear", _check_lulinear),
    ("actnorm_ddi", _check_actnorm_from_data),
    ("actnorm", _check_actnorm),
    ("residualnet", _check_residual_net),
    ("coupling", _check_coupling),
)
