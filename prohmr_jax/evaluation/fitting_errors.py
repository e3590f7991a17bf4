"""Errors of fits and of what they start from: people of known pose in several views.

Every view is scaled so that the person's box measures 224, and its camera is the true
one: how near a person stands changes nothing but the perspective.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.evaluation.body_errors import h36m_14, mean_body
from prohmr_jax.evaluation.metrics import mpjpe, pa_mpjpe
from prohmr_jax.fitting.eft import EftData, Regressor, fit_eft
from prohmr_jax.fitting.keypoints import (
    View,
    body_25_as_44,
    fit_keypoints,
    image_view,
)
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.multiview_joint import (
    Extrinsics,
    fit_calibrated,
    fit_uncalibrated,
    mean_rotation,
)
from prohmr_jax.fitting.objectives import FittingModel
from prohmr_jax.fitting.smplify import GaussianMixture, GenericFlow, fit_smplify
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.boxes import in_box
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.solver.minimise import Settings
from prohmr_jax.structs import Body, Box, Keypoints2D, SmplParams
from prohmr_jax.synthetic.keypoint_pairs import (
    SynthesisSettings,
    random_camera,
    random_view,
)

_MM = 1000.0


@struct.dataclass
class Contestants:
    """Trained things that are compared."""

    prohmr: PreparedProHMR
    twin: PreparedProHMR
    """Deterministic: of a `PoseRegressor`."""
    body: BodyModel
    mixture: GaussianMixture
    flow: GenericFlow
    mean_body_pose: Float[Array, "23 3 3"]


@struct.dataclass
class Scenes:
    """G people, seen by N cameras of focal length 1 each."""

    body: Body
    """`[G]`; metres, world."""
    extrinsics: Extrinsics
    keypoints: Keypoints2D
    """`[G, N, 25]`."""


@struct.dataclass
class FitErrors:
    """Of the 14 joints of Human3.6M, millimetres."""

    pa_mpjpe: Float[Array, "*b"]
    mpjpe: Float[Array, "*b"]


def make_scenes(
    body: BodyModel, condition: Callable, num_views: int
) -> Callable[[jax.Array, jax.Array], Scenes]:
    """Returns the jitted `(keys [G], poses [G, 24, 3]) -> Scenes`.

    Args:
      body: whose shape is drawn at random.
      condition: of `lifting_errors.CONDITIONS`.
      num_views: cameras of each person.
    """
    settings = SynthesisSettings()

    def scene(key, axis_angle):
        shape_key, views_key = jax.random.split(key)
        rotmats = axis_angle_to_rotmat(axis_angle)
        betas = jax.random.normal(shape_key, (body.num_betas,))
        world = body_joints(body, SmplParams.from_rotmats(rotmats, betas))

        def seen(key):
            view_key, camera_key, detector_key = jax.random.split(key, 3)
            rotation = random_view(view_key, settings)
            joints = jnp.matmul(world.joints, rotation.T, precision="highest")
            camera = random_camera(camera_key, joints, settings)
            xy = cameras.project(joints, camera)[: len(BODY_25)]
            return Extrinsics(rotation, camera.translation), condition(detector_key, xy)

        extrinsics, keypoints = jax.vmap(seen)(jax.random.split(views_key, num_views))
        return Scenes(world, extrinsics, keypoints)

    return jax.jit(jax.vmap(scene))


def _flat(tree):
    """`[G, N, ...]` as `[G N, ...]`."""
    return jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), tree)


def _grouped(tree, like: Scenes):
    """`[G N, ...]` as `[G, N, ...]`."""
    sizes = like.keypoints.confidence.shape[:2]
    return jax.tree.map(lambda a: a.reshape(*sizes, *a.shape[1:]), tree)


_predict = jax.jit(predict, static_argnames="num_hypotheses")


def _answer(model: PreparedProHMR, body: BodyModel, keypoints: Keypoints2D):
    key = jax.random.key(0)  # of draws that nobody asks for
    return _predict(model, body, keypoints, key, num_hypotheses=1)


@jax.jit
def _view(prediction: Prediction, keypoints: Keypoints2D, weight) -> View:
    """Returns the view of a fit; `weight` is that of the data term."""
    box = prediction.box
    scale = cameras.CROP_SIZE_PX / box.size
    wide = body_25_as_44(keypoints)
    return image_view(
        Keypoints2D(wide.xy * scale[:, None, None], jnp.sqrt(weight) * wide.confidence),
        prediction.hypotheses.camera,
        Box(box.center * scale[:, None], box.size * scale),
        jnp.full_like(box.center, cameras.CROP_SIZE_PX),
        jnp.broadcast_to(scale[:, None], box.center.shape),
        jnp.zeros_like(box.center),
    )


def _first(tree):
    """Of the hypotheses, the only one."""
    return jax.tree.map(lambda a: a[:, 0], tree)


def one_view_fits(
    models: Contestants,
    scenes: Scenes,
    settings: Settings,
    data_weight: float = 1.0,
) -> dict[str, Body]:
    """Returns the bodies of each method, `[G, N]`, camera axes; nobody sees two views.

    Args:
      models: what is compared.
      scenes: the people.
      settings: of L-BFGS.
      data_weight: of every method's data term, against the published one.
    """
    body, keypoints = models.body, _flat(scenes.keypoints)
    ours = _answer(models.prohmr, body, keypoints)
    twin = _answer(models.twin, body, keypoints)
    view = _view(ours, keypoints, data_weight)
    twin_view = _view(twin, keypoints, data_weight)
    flow = FittingModel(models.prohmr.flow, body)
    betas = _first(ours.hypotheses.smpl.betas)
    found = {
        "ProHMR": _first(ours.body),
        "ProHMR + fitting": fit_keypoints(
            flow, ours.context, betas, view, True, settings
        ).body,
        "regression": _first(twin.body),
    }
    for start, prediction, at in (
        ("regression", twin, twin_view), ("ProHMR", ours, view)
    ):  # fmt: skip
        for name, prior in (("mixture", models.mixture), ("flow", models.flow)):
            smpl = _first(prediction.hypotheses.smpl)
            fit = fit_smplify(body, prior, smpl, at, settings=settings)
            found[f"{start} + SMPLify, {name}"] = fit.body
    regressor = Regressor(models.twin.module, models.twin.variables, body)
    inputs, box = in_box(keypoints)
    scale = cameras.CROP_SIZE_PX / box.size
    box = Box(box.center * scale[:, None], box.size * scale)
    found["regression + EFT"] = fit_eft(regressor, EftData(inputs, box, twin_view)).body
    return {name: _grouped(body, scenes) for name, body in found.items()}


def several_views_fits(
    models: Contestants,
    scenes: Scenes,
    settings: Settings,
    data_weight: float = 1.0,
) -> dict[str, Body]:
    """Returns the bodies of each method of joining views, `[G, N]`, camera axes.

    Args: see `one_view_fits`.
    """
    body, keypoints = models.body, _flat(scenes.keypoints)
    ours = _answer(models.prohmr, body, keypoints)
    twin = _answer(models.twin, body, keypoints)
    view = _grouped(_view(ours, keypoints, data_weight), scenes)
    context, smpl, twin_smpl = _grouped(
        (ours.context, _first(ours.hypotheses.smpl), _first(twin.hypotheses.smpl)),
        scenes,
    )
    flow = FittingModel(models.prohmr.flow, body)
    calibrated = fit_calibrated(
        flow, context, smpl.betas, view, scenes.extrinsics, None, True, settings
    )
    return {
        "ProHMR + rotation averaging": _averaged(body, smpl),
        "regression + rotation averaging": _averaged(body, twin_smpl),
        "ProHMR + fusion": fuse_views(
            flow, context, smpl.betas, settings=settings
        ).body,
        "ProHMR + joint fit, cameras unknown": fit_uncalibrated(
            flow, context, smpl.betas, view, None, True, settings
        ).body,
        "ProHMR + joint fit, cameras known": _in_cameras(
            calibrated.body, scenes.extrinsics
        ),
    }


@jax.jit
def _averaged(body: BodyModel, smpl: SmplParams) -> Body:
    """Returns each view's orientation with the views' mean pose and shape."""
    valid = jnp.ones(smpl.betas.shape[:-1])
    pose = mean_rotation(smpl.body_pose, valid)[:, None]
    betas = jnp.mean(smpl.betas, axis=1, keepdims=True)
    mean = SmplParams(
        smpl.global_orient,
        jnp.broadcast_to(pose, smpl.body_pose.shape),
        jnp.broadcast_to(betas, smpl.betas.shape),
    )
    return body_joints(body, mean)


@jax.jit
def _in_cameras(body: Body, extrinsics: Extrinsics) -> Body:
    """Returns bodies of the world `[G]` in the axes of their cameras `[G, N]`."""
    turn = jnp.swapaxes(extrinsics.rotation, -1, -2)
    return jax.tree.map(
        lambda joints: jnp.matmul(joints[:, None], turn, precision="highest"), body
    )


@jax.jit
def fit_errors(found: Body, scenes: Scenes) -> FitErrors:
    """Returns the errors of bodies in camera axes, `[G]`, means over the views."""
    truth = h36m_14(_in_cameras(scenes.body, scenes.extrinsics))
    joints = h36m_14(found)
    return FitErrors(
        _MM * jnp.mean(pa_mpjpe(joints, truth), axis=1),
        _MM * jnp.mean(mpjpe(joints, truth), axis=1),
    )


def mean_pose_errors(models: Contestants, scenes: Scenes) -> FitErrors:
    """Returns the errors of the mean body, which ignores the keypoints, `[G]`."""
    mean = mean_body(models.body, models.mean_body_pose)
    sizes = scenes.keypoints.confidence.shape[:2]
    everywhere = jax.tree.map(lambda a: jnp.broadcast_to(a, (*sizes, *a.shape)), mean)
    return fit_errors(everywhere, scenes)
