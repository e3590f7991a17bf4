"""Brings measured views into the form in which the model of errors is fitted to them.

`fit_detector_errors` and the mode "measure_detector" call it.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from prohmr_jax.body import BodyModel, body_joints
from prohmr_jax.geometry import cameras
from prohmr_jax.geometry.rotations import axis_angle_to_rotmat
from prohmr_jax.priors.detector_errors import facing_angle, joint_frames, person_size
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Camera, SmplParams
from prohmr_jax.synthetic.measured_views import MeasuredViews
from prohmr_jax.synthetic.simulated_detector import joint_states

_PEOPLE_PER_BATCH = 1024


@dataclasses.dataclass(frozen=True)
class Geometry:
    """Holds what the fit knows of N views; positions are in sizes of the person."""

    xy: Float[np.ndarray, "N 17 2"]
    """Projections of the body's joints of COCO_17."""
    slope: Float[np.ndarray, "N 17 2 6"]
    """Derivatives of the projections by the two offsets of the joint."""
    detected: Float[np.ndarray, "N 17 2"]
    """Detections, by the names that the detector gave."""
    score: Float[np.ndarray, "N 17"]
    """Scores of the detections."""
    state: Int[np.ndarray, "N 17"]
    """Number of each joint's state in `STATES`."""
    angle: Float[np.ndarray, " N"]
    """Angle between the chest's front and the camera, radians."""

    def expected(self, offset: Float[np.ndarray, "17 2 3"]) -> np.ndarray:
        """Returns the projections [N, 17, 2] of the joints with their offsets."""
        flat = offset.reshape(len(COCO_17), 6)
        return self.xy + np.einsum("njcp,jp->njc", self.slope, flat)


def view_geometry(body: BodyModel, views: MeasuredViews) -> Geometry:
    """Returns the geometry of views, and the detections in the same unit.

    The derivatives are those at offset 0, which is exact up to perspective.

    Args:
      body: the body that was rendered.
      views: the views.
    """
    count = len(views.true.betas)
    starts = range(0, count, _PEOPLE_PER_BATCH)
    parts = [
        _batch_geometry(
            body,
            jax.tree.map(lambda a, s=s: _padded(a[s : s + _PEOPLE_PER_BATCH]), views),
        )
        for s in starts
    ]
    joined = [np.concatenate(arrays)[:count] for arrays in zip(*parts, strict=True)]
    return Geometry(*(np.asarray(array, np.float64) for array in joined[:4]),
                    joined[4].astype(int), joined[5])  # fmt: skip


def _padded(array: np.ndarray) -> np.ndarray:
    return np.resize(array, (_PEOPLE_PER_BATCH, *array.shape[1:]))


@jax.jit
def _batch_geometry(body: BodyModel, views: MeasuredViews) -> tuple[Array, ...]:
    true = views.true
    rotmats = axis_angle_to_rotmat(true.axis_angle)
    smpl = SmplParams.from_rotmats(rotmats, true.betas)
    posed = body_joints(body, smpl)
    focal = jnp.stack(2 * [true.focal_length], axis=-1)
    camera = Camera(true.translation, focal, true.center)
    size = person_size(cameras.project(posed.joints[:, : len(BODY_25)], camera))
    base, bones, unit = joint_frames(posed, rotmats)
    placed = base + true.translation[:, None]
    x, y, z = jnp.moveaxis(placed, -1, 0)
    zero = jnp.zeros_like(x)
    rows = [
        jnp.stack([1 / z, zero, -x / z**2], -1),
        jnp.stack([zero, 1 / z, -y / z**2], -1),
    ]
    project = jnp.stack(rows, axis=-2) * focal[:, None, :1, None]
    slope = jnp.einsum("njci,njbik->njcbk", project, bones, precision="highest")
    slope = slope.reshape(*slope.shape[:3], 6) * unit[..., None, None]
    scale = size[:, None, None]
    return (
        (cameras.project(base, camera) - true.center[:, None]) / scale,
        slope / scale[..., None],
        (views.detected.xy - true.center[:, None]) / scale,
        views.detected.confidence,
        joint_states(posed, base, camera, views.covered),
        facing_angle(rotmats),
    )


def reported(geometry: Geometry, min_score: float) -> Geometry:
    """Returns the views whose person a detector reports.

    Args:
      geometry: the views.
      min_score: least mean of the person's eight largest scores.
    """
    mean = np.sort(geometry.score, axis=-1)[:, -8:].mean(axis=-1)
    keep = mean >= min_score
    fields = dataclasses.fields(geometry)
    return Geometry(**{f.name: getattr(geometry, f.name)[keep] for f in fields})
