"""Runs the mode "benchmark": measures how fast bodies are sampled and skinned.

Our code is timed beside naive code and the SMPL layers of other packages.
"""

import logging
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.benchmarks.naive import dense_body, dense_mesh
from prohmr_jax.benchmarks.packages import other_packages
from prohmr_jax.benchmarks.ratios import keep_ratios, read_ratios, require_ratios
from prohmr_jax.benchmarks.timing import machine, publish, timed
from prohmr_jax.body import BodyModel, body_joints, body_mesh, make_body_model
from prohmr_jax.files.body_files import BodyArrays, read_body_arrays
from prohmr_jax.files.markdown import table
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.fold_flow import prepare_flow
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import SmplParams

_LOG = logging.getLogger(__name__)
MESH_CHUNK = 128
"""Number of bodies skinned at a time: their intermediate results fit a CPU's cache."""


def synthetic_body(num_vertices: int = 6890, seed: int = 0) -> BodyArrays:
    """Returns random arrays of SMPL's sizes, which cost as much as a true body.

    Args:
      num_vertices: number of vertices.
      seed: seed of the arrays.
    """
    rng = np.random.default_rng(seed)
    joints = len(skeleton.SMPL_24)

    def sparse(rows: int, columns: int, nonzero: int) -> np.ndarray:
        dense = np.zeros((rows, columns), np.float32)
        for row in dense:
            row[rng.choice(columns, nonzero, replace=False)] = 1.0 / nonzero
        return dense

    return BodyArrays(
        v_template=rng.normal(0, 0.3, (num_vertices, 3)).astype(np.float32),
        shapedirs=rng.normal(0, 0.01, (num_vertices, 3, 10)).astype(np.float32),
        posedirs=rng.normal(0, 1e-3, (num_vertices, 3, 207)).astype(np.float32),
        weights=sparse(num_vertices, joints, 4),
        joint_regressor=sparse(joints, num_vertices, 12),
        faces=rng.integers(0, num_vertices, (13776, 3)).astype(np.int32),
        landmark_vertices=rng.choice(num_vertices, 21, replace=False).astype(np.int32),
        extra_regressor=sparse(19, num_vertices, 10),
    )


def sampling_multiply_adds(flow: ConditionalGlow) -> int:
    """Returns the multiply-adds of one sample of the prepared flow."""
    half, hidden = flow.features // 2, flow.hidden_features
    step = (
        flow.features**2
        + half * hidden
        + (2 * flow.num_blocks - 1) * hidden**2
        + 2 * hidden * half
    )
    return flow.num_layers * step


def flow_work(images: int, hypotheses: int) -> dict[str, Callable]:
    """Returns functions that sample a flow of the paper's size, in three ways.

    "prepared" is our inference. "naive" runs the flow as it is trained, with the
    context repeated for every sample. "plain matmuls" computes products of the hidden
    layer's size, as many as have the multiply-adds of the prepared flow.

    Args:
      images: number of images.
      hypotheses: number of samples of each image.
    """
    flow = ConditionalGlow(features=POSE_FEATURES)
    key = jax.random.key(0)
    context = jax.random.normal(key, (images, 1, flow.context_features))
    z = jax.random.normal(key, (images, hypotheses, flow.features))
    initialize = jax.jit(
        lambda: flow.init(key, z[:1, :1], context[:1], method="inverse")
    )
    variables = initialize()
    prepared = prepare_flow(flow, variables)

    @jax.jit
    def fast(flow, z, context):
        projected = prepared_flow.project_context(flow, context)
        return prepared_flow.sample(flow, z, projected)

    @jax.jit
    def naive(variables, z, context):
        rows = z.reshape(-1, z.shape[-1])
        repeated = jnp.repeat(context[:, 0], z.shape[1], axis=0)
        return flow.apply(variables, rows, repeated, method="sample")

    size = flow.hidden_features
    rows = jnp.ones((images * hypotheses, size))
    weights = jnp.eye(size)
    products = sampling_multiply_adds(flow) / size**2

    @jax.jit
    def matmuls(rows, weights):
        whole = int(products)
        rows = jax.lax.fori_loop(0, whole, lambda _, r: r @ weights, rows)
        part = round((products - whole) * size)
        return rows, rows @ weights[:, :part]

    return {
        "prepared": lambda: fast(prepared, z, context),
        "naive": lambda: naive(variables, z, context),
        "plain matmuls": lambda: matmuls(rows, weights),
    }


def random_people(count: int) -> SmplParams:
    """Returns random poses and shapes.

    Args:
      count: number of people.
    """
    pose_key, shape_key = jax.random.split(jax.random.key(0))
    axis_angle = 0.4 * jax.random.normal(pose_key, (count, len(skeleton.SMPL_24), 3))
    rotmats = axis_angle_to_rotmat(axis_angle)
    betas = jax.random.normal(shape_key, (count, 10))
    return SmplParams.from_rotmats(rotmats, betas)


def body_work(arrays: BodyArrays, params: SmplParams) -> dict[str, Callable]:
    """Returns functions that compute meshes and joints of bodies, ours and naive.

    Args:
      arrays: the body.
      params: poses and shapes with one leading axis.
    """
    model = jax.tree.map(jnp.asarray, make_body_model(**vars(arrays)))

    @jax.jit
    def meshes(model: BodyModel, params: SmplParams):
        one = lambda p: body_mesh(model, p).vertices  # noqa: E731
        return jax.lax.map(one, params, batch_size=MESH_CHUNK)

    joints = jax.jit(lambda model, params: body_joints(model, params).joints)
    kinematic = jax.jit(
        lambda model, params: body_joints(model, params).kinematic_joints
    )
    dense = dense_body(arrays)
    naive = jax.jit(dense_mesh)
    return {
        "meshes": lambda: meshes(model, params),
        "44 joints": lambda: joints(model, params),
        "24 joints": lambda: kinematic(model, params),
        "naive": lambda: naive(dense, params),
    }


def run(config: ml_collections.ConfigDict) -> str:
    """Measures, and prints, writes and returns a Markdown report.

    Args:
      config: see `configs/benchmark.py`.

    Raises:
      InputError: the body cannot be read, the report not be written, or a ratio fell
        by more than `config.gate` allows.
    """
    earlier = read_ratios("benchmark", config.gate)
    arrays = read_body_arrays(config.body) if config.body else synthetic_body()
    flow = ConditionalGlow(features=POSE_FEATURES)
    rows, ratios = [], {}

    def add_row(work: str, seconds: float, other: str, other_seconds: float) -> None:
        ratios[f"{work}: {other}"] = ratio = other_seconds / seconds
        rows.append(
            (work, f"{seconds:.4f}", other, f"{other_seconds:.4f}", f"{ratio:.2f}")
        )
        _LOG.info("%s", ", ".join(rows[-1]))

    for images, hypotheses in config.sampling:
        seconds = timed(flow_work(images, hypotheses), config.rounds)
        name = f"{images} x {hypotheses} hypotheses, flow"
        for other in ("naive", "plain matmuls"):
            add_row(name, seconds["prepared"], other, seconds[other])
    params = random_people(config.bodies)
    others, absent = other_packages(arrays, params)
    seconds = timed({**body_work(arrays, params), **others}, config.rounds)
    vertices = len(arrays.v_template)
    bodies = f"{config.bodies} bodies of {vertices} vertices"
    naive = seconds.pop("naive")
    for name, duration in seconds.items():
        add_row(f"{bodies}, {name}", duration, "naive meshes", naive)
    lines = [
        machine(),
        "",
        table(("work", "seconds", "compared with", "seconds", "ratio"), rows),
        "",
        f"A sample of the prepared flow takes {sampling_multiply_adds(flow) / 1e6:.2f} "
        f"million multiply-adds. Seconds are medians of {config.rounds} rounds and do "
        "not include compilation.",
        *(f"{name} is not installed and was not measured." for name in absent),
    ]
    report = "\n".join(lines) + "\n"
    publish(report, config.output)
    keep_ratios("benchmark", ratios, config.ratios)
    require_ratios(ratios, earlier, config.gate)
    return report
