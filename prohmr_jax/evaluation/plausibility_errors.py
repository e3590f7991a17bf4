"""Measures bodies of good people and of people that are wrong in a known way.

The people are poses of held-out clips, seen with the noise of a detector.
`planted_failures` makes the wrong ones. The mode "evaluate_plausibility" calls
`measure_one_view` and `measure_several_views`, and counts how many are implausible.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float

from prohmr_jax.body import BodyModel
from prohmr_jax.evaluation.fitting_scenes import Scenes, make_scenes
from prohmr_jax.evaluation.over_actions import measure_people
from prohmr_jax.evaluation.planted_failures import (
    SIDE_PX,
    KeypointFault,
    SceneFault,
    in_pixels,
)
from prohmr_jax.fitting.keypoints import (
    View,
    body_25_as_44,
    crop_view,
    fit_keypoints,
)
from prohmr_jax.fitting.multiview_fusion import fuse_views
from prohmr_jax.fitting.multiview_joint import fit_calibrated, fit_uncalibrated
from prohmr_jax.fitting.objectives import SEEN_KEYPOINTS_WEIGHT, FittingModel
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import rotate
from prohmr_jax.inference.plausibility import Measures, measure
from prohmr_jax.inference.predict import Prediction, predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.skeleton import MID_HIP_25
from prohmr_jax.structs import Keypoints2D

PREDICTION, FIT = "prediction", "fit"
CALIBRATED, JOINT, FUSION = "joint fit, known cameras", "joint fit", "fusion"


@struct.dataclass
class Study:
    """Holds what all people of a study have in common."""

    model: PreparedProHMR
    """Weights, prepared for inference."""
    body: BodyModel
    """Body that the weights were trained with."""
    condition: Callable = struct.field(pytree_node=False)
    """How detections come from true keypoints, see `keypoint_errors.CONDITIONS`."""
    num_views: int = struct.field(pytree_node=False)
    """Number of views of each person that is seen in several."""
    batch_size: int = struct.field(pytree_node=False)
    """Number of people who are measured at a time, at least 2."""
    seed: int = struct.field(pytree_node=False)
    """Seed of shapes, cameras and noise."""


def measure_one_view(
    study: Study, poses: np.ndarray, fault: KeypointFault | None = None
) -> dict[str, Measures]:
    """Returns the measures [P] of people in single pictures, by method, NumPy.

    The methods are `PREDICTION`, which is what the demo delivers, and `FIT`.

    Args:
      study: model, body and noise.
      poses: poses of P >= 2 people [P, 24, 3], axis-angle, radians, Y up.
      fault: what is wrong with the keypoints; None for good people.
    """
    scenes_of = make_scenes(study.body, study.condition, num_views=1)

    def of_batch(poses, keys):
        keypoints = in_pixels(scenes_of(keys, poses).keypoints)
        keypoints = jax.tree.map(lambda a: a[:, 0], keypoints)
        return _one_view(study, keypoints if fault is None else fault(keypoints))

    return measure_people(of_batch, poses, study.batch_size, study.seed)


def measure_several_views(
    study: Study,
    poses: np.ndarray,
    fault: SceneFault | None = None,
    methods: Sequence[str] = (CALIBRATED, JOINT, FUSION),
) -> dict[str, Measures]:
    """Returns the measures [P, N] of people in N views, by method, NumPy.

    Args:
      study: model, body, noise and number of views.
      poses: poses of P >= 2 people [P, 24, 3], axis-angle, radians, Y up.
      fault: what is wrong with keypoints or cameras; None for good people.
      methods: which of `CALIBRATED`, `JOINT` and `FUSION` are measured; see
        `configs/multiview.py`.
    """
    scenes_of = make_scenes(study.body, study.condition, study.num_views)

    def of_batch(poses, keys):
        scenes = scenes_of(keys, poses)
        scenes = scenes.replace(keypoints=in_pixels(scenes.keypoints))
        scenes, focal_factor = (scenes, 1.0) if fault is None else fault(scenes)
        return _several_views(study, scenes, SIDE_PX * focal_factor, methods)

    return measure_people(of_batch, poses, study.batch_size, study.seed)


_predict = jax.jit(predict, static_argnames="num_hypotheses")


def _mode(study: Study, keypoints: Keypoints2D) -> Prediction:
    """Returns the prediction with one hypothesis, the mode."""
    key = jax.random.key(0)  # not used, because there are no samples
    return _predict(study.model, study.body, keypoints, key, num_hypotheses=1)


def _crop_view(prediction: Prediction, keypoints: Keypoints2D) -> View:
    xy = cameras.image_to_crop(keypoints.xy, prediction.box)
    keypoints = body_25_as_44(keypoints.replace(xy=xy))
    return crop_view(keypoints, prediction.hypotheses.camera)


def _one_view(study: Study, keypoints: Keypoints2D) -> dict[str, Measures]:
    prediction = _mode(study, keypoints)
    weak, box = prediction.hypotheses.camera, prediction.box
    betas = prediction.hypotheses.smpl.betas[:, 0]
    size = jnp.full_like(box.center, SIDE_PX)
    camera, _ = cameras.photo_camera(weak, box, size, jnp.zeros_like(size))
    mode = measure(
        study.body,
        prediction.body.joints[:, 0],
        camera,
        keypoints,
        box.size,
        betas,
        prediction.hypotheses.z[:, 0],
    )
    model = FittingModel(study.model.flow, study.body)
    # The model has seen the keypoints, so that fits count them less.
    counted = keypoints.replace(
        confidence=keypoints.confidence * SEEN_KEYPOINTS_WEIGHT**0.5
    )
    view = _crop_view(prediction, counted)
    fit = fit_keypoints(model, prediction.context, betas, view)
    camera = cameras.crop_camera_in_image(weak, box)
    fitted = measure(
        study.body,
        fit.body.joints,
        camera.replace(translation=fit.camera.translation),
        keypoints,
        box.size,
        fit.smpl.betas,
        fit.z,
        use_hips=False,
    )
    return {PREDICTION: mode, FIT: fitted}


def _several_views(
    study: Study,
    scenes: Scenes,
    focal_length_px: float | Float[Array, " N"],
    methods: Sequence[str],
) -> dict[str, Measures]:
    num_people, num_views = scenes.keypoints.confidence.shape[:2]

    def grouped(tree):
        return jax.tree.map(
            lambda a: a.reshape(num_people, num_views, *a.shape[1:]), tree
        )

    flat = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:]), scenes.keypoints)
    prediction = _mode(study, flat)
    weak, box = prediction.hypotheses.camera, prediction.box
    view = _crop_view(prediction, flat)
    focal = jnp.broadcast_to(
        jnp.reshape(focal_length_px, (1, -1, 1)), (num_people, num_views, 2)
    )
    size = jnp.full_like(box.center, SIDE_PX)
    photo_camera, _ = cameras.photo_camera(weak, box, size, focal.reshape(-1, 2))
    photo_view = view.replace(camera=cameras.in_crop_pixels(photo_camera, box))
    crop_camera = cameras.crop_camera_in_image(weak, box)
    context, betas, box_size, view, photo_view, photo_camera, crop_camera = grouped((
        prediction.context, prediction.hypotheses.smpl.betas[:, 0], box.size, view,
        photo_view, photo_camera, crop_camera,
    ))  # fmt: skip
    model = FittingModel(study.model.flow, study.body)

    def measured(joints, camera, betas, z):
        betas = jnp.broadcast_to(betas, (num_people, num_views, betas.shape[-1]))
        return measure(
            study.body, joints, camera, scenes.keypoints, box_size, betas, z,
            use_hips=False,
        )  # fmt: skip

    def calibrated():
        world = fit_calibrated(model, context, betas, photo_view, scenes.extrinsics)
        in_cameras = rotate(
            scenes.extrinsics.rotation[..., None, :, :], world.body.joints[:, None]
        )
        in_cameras += scenes.extrinsics.translation[..., None, :]
        origin = in_cameras[..., MID_HIP_25, :]
        return measured(
            in_cameras - origin[..., None, :],
            photo_camera.replace(translation=origin),
            world.smpl.betas[:, None],
            world.minimum.params.z,
        )

    def joint():
        fit = fit_uncalibrated(model, context, betas, view)
        camera = crop_camera.replace(translation=fit.camera.translation)
        return measured(fit.body.joints, camera, fit.smpl.betas, fit.minimum.params.z)

    def fusion():
        fused = fuse_views(model, context, betas)
        return measured(fused.body.joints, crop_camera, fused.smpl.betas, fused.z)

    measure_by = {CALIBRATED: calibrated, JOINT: joint, FUSION: fusion}
    return {method: measure_by[method]() for method in methods}
