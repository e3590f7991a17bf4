"""Shared fixtures, and shape checks on the mathematics while the tests run."""

import os
from pathlib import Path

import jax
import jaxlib.version
import jaxtyping
import numpy as np
import pytest

from tests.support.paths import SHARED
from tests.support.shape_checks import check_calls

# NumPy arrays count as arrays too, because JAX takes either.
jaxtyping.Array = jax.Array | np.ndarray
# Annotated types and shapes are checked at every call of a function in these modules.
jaxtyping.install_import_hook(
    [
        "prohmr_jax.benchmarks.devices",
        "prohmr_jax.benchmarks.fitting",
        "prohmr_jax.benchmarks.fitting_costs",
        "prohmr_jax.benchmarks.fitting_people",
        "prohmr_jax.benchmarks.hypotheses",
        "prohmr_jax.benchmarks.input_pipeline",
        "prohmr_jax.benchmarks.naive",
        "prohmr_jax.benchmarks.packages",
        "prohmr_jax.benchmarks.step_costs",
        "prohmr_jax.benchmarks.timing",
        "prohmr_jax.benchmarks.training",
        "prohmr_jax.bulk_fitting.before_after",
        "prohmr_jax.bulk_fitting.detected_people",
        "prohmr_jax.bulk_fitting.initialization",
        "prohmr_jax.bulk_fitting.jobs",
        "prohmr_jax.bulk_fitting.keypoint_job",
        "prohmr_jax.bulk_fitting.multiview_job",
        "prohmr_jax.bulk_fitting.multiview_sources",
        "prohmr_jax.bulk_fitting.person_stream",
        "prohmr_jax.bulk_fitting.run",
        "prohmr_jax.bulk_fitting.shards",
        "prohmr_jax.bulk_fitting.sources",
        "prohmr_jax.bulk_fitting.tables",
        "prohmr_jax.data.crops",
        "prohmr_jax.evaluation.fitting_errors",
        "prohmr_jax.evaluation.hypothesis_errors",
        "prohmr_jax.evaluation.lifting_errors",
        "prohmr_jax.evaluation.metrics",
        "prohmr_jax.geometry.boxes",
        "prohmr_jax.geometry.cameras",
        "prohmr_jax.geometry.procrustes",
        "prohmr_jax.geometry.rotations",
        "prohmr_jax.geometry.spread",
        "prohmr_jax.inference.predict",
        "prohmr_jax.inference.reconstruction",
        "prohmr_jax.inference.result_pictures",
        "prohmr_jax.inference.results",
        "prohmr_jax.models.flow",
        "prohmr_jax.models.image_input",
        "prohmr_jax.models.resnet",
        "prohmr_jax.models.skeleton_lifter",
        "prohmr_jax.models.skeleton_mixture",
        "prohmr_jax.models.skeleton_regressor",
        "prohmr_jax.open_body.adults",
        "prohmr_jax.open_body.correctives",
        "prohmr_jax.open_body.decimation",
        "prohmr_jax.open_body.extra_joints",
        "prohmr_jax.open_body.kinematics",
        "prohmr_jax.open_body.landmarks",
        "prohmr_jax.open_body.makehuman_formats",
        "prohmr_jax.open_body.random_poses",
        "prohmr_jax.open_body.regressors",
        "prohmr_jax.open_body.rest_pose",
        "prohmr_jax.open_body.shape_space",
        "prohmr_jax.open_body.surface",
        "prohmr_jax.poses.build_bank",
        "prohmr_jax.poses.fit_prior",
        "prohmr_jax.poses.kinematics",
        "prohmr_jax.poses.limits",
        "prohmr_jax.poses.procedural.arms",
        "prohmr_jax.poses.procedural.compose",
        "prohmr_jax.poses.procedural.gestures",
        "prohmr_jax.poses.procedural.limbs",
        "prohmr_jax.poses.procedural.stances",
        "prohmr_jax.synthetic.appearance",
        "prohmr_jax.synthetic.body_map",
        "prohmr_jax.synthetic.keypoint_pairs",
        "prohmr_jax.synthetic.picture_camera",
        "prohmr_jax.synthetic.pose_source",
        "prohmr_jax.synthetic.position_faults",
        "prohmr_jax.synthetic.rooms",
        "prohmr_jax.synthetic.skeleton_pairs",
        "prohmr_jax.synthetic.textures",
        "prohmr_jax.training.adversarial",
        "prohmr_jax.training.lifter_model",
        "prohmr_jax.training.lifter_objective",
        "prohmr_jax.training.losses",
        "prohmr_jax.training.pose_flow_model",
        "prohmr_jax.training.readout_loss",
        "prohmr_jax.training.supervision",
        "prohmr_jax.training.whitening",
    ],
    f"{check_calls.__module__}.{check_calls.__name__}",
)

# Most of the suite's time is compilation, of programs that run once or twice. Without
# optimisation, and with the older code generator for fusions, it takes less than half.
# XLA ends the process at a flag that it does not know, so that versions which may have
# dropped the flags get none.
if jaxlib.version.__version_info__ < (0, 12):
    os.environ["XLA_FLAGS"] = " ".join(
        [
            os.environ.get("XLA_FLAGS", ""),
            "--xla_backend_optimization_level=0",
            "--xla_cpu_use_fusion_emitters=false",
        ]
    )
# What one test compiled need not be compiled by the next, nor by the next run.
_CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
jax.config.update("jax_compilation_cache_dir", str(_CACHE))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


@pytest.fixture(scope="module", autouse=True)
def compiled_programs_are_dropped():
    """Drops the compiled programs when they have become many.

    Each program maps memory several times. A process that keeps those of the whole
    suite comes near Linux's limit of 65,530 mappings, beyond which loading another
    program ends the process. One module of tests adds 11,000 at most.
    """
    yield
    maps = Path("/proc/self/maps")
    if not maps.exists() or len(maps.read_bytes().splitlines()) > 20_000:
        jax.clear_caches()


@pytest.fixture
def rng():
    """Random numbers, the same in every run."""
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def tiny_arrays():
    """A random body in SMPL's layout: 60 vertices, 24 joints, float64."""
    rng = np.random.default_rng(7)
    vertices, joints = 60, 24

    def regressor(rows, columns):
        matrix = np.zeros((rows, vertices))
        for row in matrix:
            row[rng.choice(columns, 3, replace=False)] = rng.dirichlet(np.ones(3))
        return matrix

    weights = np.zeros((vertices, joints))
    for row in weights:
        row[rng.choice(joints, 4, replace=False)] = rng.dirichlet(np.ones(4))
    return {
        "v_template": rng.normal(size=(vertices, 3)) * 0.5,
        "shapedirs": rng.normal(size=(vertices, 3, 10)) * 0.03,
        "posedirs": rng.normal(size=(vertices, 3, 207)) * 0.01,
        "weights": weights,
        "joint_regressor": regressor(joints, vertices),
        "faces": rng.integers(0, vertices, (90, 3)),
        "landmark_vertices": rng.choice(40, 21, replace=False),
        # Leaves the last vertices unread, so that the support is a true subset.
        "extra_regressor": regressor(19, 40),
    }


@pytest.fixture(scope="session")
def tiny_body(tiny_arrays):
    """The body model of `tiny_arrays`."""
    from prohmr_jax.body import make_body_model

    return make_body_model(**tiny_arrays)


@pytest.fixture(scope="session")
def shared_goldens():
    """The whole set of official numbers, where it stands beside the repository."""
    directory = SHARED / "golden"
    if not directory.is_dir():
        pytest.skip("needs the full set of official numbers (PROHMR_SHARED)")
    return directory
