"""Runs the SMPL layers of other packages in JAX, for the benchmark of hypotheses.

The packages are those of the extra `benchmark`. Each gets the same arrays through a
temporary file in the format that it reads.
"""

import importlib.util
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from prohmr_jax import skeleton
from prohmr_jax.files.body_files import BodyArrays, write_body
from prohmr_jax.structs import SmplParams


def other_packages(
    arrays: BodyArrays, params: SmplParams
) -> tuple[dict[str, Callable[[], jax.Array]], tuple[str, ...]]:
    """Returns jitted work by name, and the names of packages that are not installed.

    Args:
      arrays: the body.
      params: poses and shapes to compute.
    """
    makers = {"body_models": _body_models, "smplfitter": _smplfitter}
    work, absent = {}, []
    for package, make in makers.items():
        if importlib.util.find_spec(package) is None:
            absent.append(package)
            continue
        with tempfile.TemporaryDirectory() as folder:
            work |= make(arrays, params, Path(folder))
    return work, tuple(absent)


def _body_models(arrays: BodyArrays, params: SmplParams, folder: Path) -> dict:
    from body_models.smpl.jax import SMPL

    file = folder / "body.npz"
    write_body(file, arrays)
    model = SMPL(model_path=file, rotation_type="rotmat")

    @jax.jit
    def vertices(params: SmplParams):
        return model.forward_vertices(
            params.body_pose, pelvis_rotation=params.global_orient, shape=params.betas
        )

    @jax.jit
    def joints(params: SmplParams):
        return model.forward_skeleton(
            params.body_pose, pelvis_rotation=params.global_orient, shape=params.betas
        )

    return {
        "body_models meshes": lambda: vertices(params),
        "body_models 24 joints": lambda: joints(params),
    }


def _smplfitter(arrays: BodyArrays, params: SmplParams, folder: Path) -> dict:
    from smplfitter.jax import BodyModel

    parents = jnp.array(skeleton.SMPL_PARENTS)
    content = {
        "v_template": arrays.v_template,
        "shapedirs": arrays.shapedirs,
        "posedirs": arrays.posedirs,
        "weights": arrays.weights,
        "J_regressor": arrays.joint_regressor,
        "f": arrays.faces,
        "kintree_table": [parents.tolist(), list(range(len(parents)))],
    }
    # The package reads pickles only. This one holds plain arrays that we wrote.
    file = folder / "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl"
    file.write_bytes(pickle.dumps(content))
    # The package always reads this file; its coefficient stays zero.
    np.save(folder / "kid_template.npy", arrays.v_template)
    model = BodyModel("smpl", "neutral", model_root=str(folder))

    def run(with_vertices: bool) -> Callable:
        return jax.jit(
            lambda params: model(
                rel_rotmats=params.rotmats,
                shape_betas=params.betas,
                return_vertices=with_vertices,
            )
        )

    vertices, joints = run(True), run(False)
    return {
        "smplfitter meshes": lambda: vertices(params),
        "smplfitter 24 joints": lambda: joints(params),
    }
