"""Rates of sampling and skinning, beside naive paths and packages, in one run."""

import logging
from collections.abc import Callable

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.benchmarks.naive import dense_body, dense_mesh
from prohmr_jax.benchmarks.packages import other_packages
from prohmr_jax.benchmarks.timing import machine, publish, timed
from prohmr_jax.body import BodyModel, body_joints, body_mesh, make_body_model
from prohmr_jax.files.body_files import BodyArrays, read_body_arrays
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.models import prepared_flow
from prohmr_jax.models.flow import ConditionalGlow
from prohmr_jax.models.prohmr import POSE_FEATURES
from prohmr_jax.structs import SmplParams

_LOG = logging.getLogger(__name__)
# Bodies at a time: their intermediate results stay in the cache of a CPU.
MESH_CHUNK = 128


def synthetic_body(num_vertices: int = 6890, seed: int = 0) -> BodyArrays:
    """Returns random arrays of SMPL's sizes: the same work, nobody's body."""
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
    """Returns the multiply-adds of one sample in the folded form."""
    half, hidden = flow.features // 2, flow.hidden_features
    step = (
        flow.features**2
        + half * hidden
        + (2 * flow.num_blocks - 1) * hidden**2
        + 2 * hidden * half
    )
    return flow.num_layers * step


def flow_work(images: int, hypotheses: int) -> dict[str, Callable]:
    """Returns sampling at the paper's size: prepared, naive, and plain matmuls.

    The naive path is the trained module as it stands, its context repeated for every
    sample. The matmuls are as many products of the hidden layer's size as have the
    multiply-adds of the folded form.
    """
    flow = ConditionalGlow(features=POSE_FEATURES)
    key = jax.random.key(0)
    context = jax.random.normal(key, (images, 1, flow.context_features))
    z = jax.random.normal(key, (images, hypotheses, flow.features))
    initialize = jax.jit(
        lambda: flow.init(key, z[:1, :1], context[:1], method="inverse")
    )
    variables = initialize()
    prepared = prepared_flow.prepare_flow(flow, variables)

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
    """Returns random poses and shapes."""
    pose_key, shape_key = jax.random.split(jax.random.key(0))
    axis_angle = 0.4 * jax.random.normal(pose_key, (count, len(skeleton.SMPL_24), 3))
    rotmats = axis_angle_to_rotmat(axis_angle)
    betas = jax.random.normal(shape_key, (count, 10))
    return SmplParams.from_rotmats(rotmats, betas)


def body_work(arrays: BodyArrays, params: SmplParams) -> dict[str, Callable]:
    """Returns meshes and joints of many bodies, ours and naive."""
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
    """Measures, prints and returns a Markdown report.

    Args:
      config: see `configs/benchmark.py`.

    Raises:
      InputError: the body cannot be read.
    """
    arrays = read_body_arrays(config.body) if config.body else synthetic_body()
    flow = ConditionalGlow(features=POSE_FEATURES)
    lines = [machine(), "", "| work | seconds | beside | seconds | ratio |",
             "|---|---|---|---|---|"]  # fmt: skip

    def row(work, seconds, beside, other):
        ratio = f"{other / seconds:.2f}"
        line = f"| {work} | {seconds:.4f} | {beside} | {other:.4f} | {ratio} |"
        lines.append(line)
        _LOG.info(line)

    for images, hypotheses in config.sampling:
        found = timed(flow_work(images, hypotheses), config.rounds)
        name = f"{images} x {hypotheses} hypotheses, flow"
        for other in ("naive", "plain matmuls"):
            row(name, found["prepared"], other, found[other])
    params = random_people(config.bodies)
    others, absent = other_packages(arrays, params)
    found = timed({**body_work(arrays, params), **others}, config.rounds)
    vertices = len(arrays.v_template)
    bodies = f"{config.bodies} bodies of {vertices} vertices"
    naive = found.pop("naive")
    for name, seconds in found.items():
        row(f"{bodies}, {name}", seconds, "naive meshes", naive)
    lines += [
        "",
        f"Folded flow: {sampling_multiply_adds(flow) / 1e6:.2f} million "
        f"multiply-adds each. Medians of {config.rounds} rounds; compilation apart.",
        *(f"Not measured, not installed: {name}." for name in absent),
    ]
    report = "\n".join(lines) + "\n"
    publish(report, config.output)
    return report
