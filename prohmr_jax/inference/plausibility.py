"""Judges whether a body that was predicted or fitted can be the person in the picture.

`measure` computes a few numbers of each body, and `judge` compares them with limits.
The demo, bulk fitting and the evaluation `evaluation.planted_failures`, by which the
limits are found, call both.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.body import BodyModel
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.geometry.cameras import project
from prohmr_jax.structs import Camera, Keypoints2D

# The vertical axis of the body frame, which points up.
_UP = 1
_SHOULDERS, _LEGS = (
    np.array(
        skeleton.BODY_25.indices(
            *(f"{s}_{p}" for p in parts for s in ("left", "right"))
        )
    )
    for parts in (("shoulder",), ("hip", "knee", "ankle"))
)


@struct.dataclass
class Measures:
    """Holds what plausibility is judged by, of one person in one picture."""

    reprojection_percent: Float[Array, "*b"]
    """Mean distance of the projected joints from the keypoints seen, percent of the
    side of the person's box; NaN if no keypoint was seen."""
    log_density: Float[Array, "*b"]
    """Natural logarithm of the density of the pose, minus its mean over the samples of
    the person's own distribution; see `log_density_of`."""
    largest_beta: Float[Array, "*b"]
    """Largest absolute value of the shape coefficients, standard deviations."""
    distance_m: Float[Array, "*b"]
    """Depth of the body's origin in front of the camera, metres."""
    stature_m: Float[Array, "*b"]
    """Height of the body at rest, metres."""
    box_m: Float[Array, "*b"]
    """Side of the person's box at the depth of the body, metres."""
    box_px: Float[Array, "*b"]
    """Side of the person's box, pixels of the photo."""
    part_of_body: Bool[Array, "*b"]
    """Whether the box is that of a part of the body, such as a head, and may be small:
    keypoints are seen, but not both a shoulder and a hip, knee or ankle."""


@dataclasses.dataclass(frozen=True)
class Limits:
    """Holds the bounds between which a body is plausible, units as in `Measures`."""

    max_reprojection_percent: float
    """Largest reprojection error."""
    min_log_density: float
    """Least log-density; the mean over samples is 0, and their standard deviation is
    8.5."""
    max_beta: float
    """Largest absolute value of a shape coefficient."""
    stature_m: tuple[float, float]
    """Least and greatest stature."""
    box_m: tuple[float, float]
    """Least and greatest side of the box at the depth of the body; the least holds for
    boxes of whole bodies alone."""
    min_box_px: float
    """Least side of the box."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Holds the judgement of bodies, NumPy."""

    plausible: np.ndarray
    """Whether each body is plausible, [*b] bool."""
    reason: np.ndarray
    """Why it is not, [*b] text; empty for plausible bodies."""


def log_density_of(z: Float[Array, "*b 144"]) -> Float[Array, "*b"]:
    """Returns the log-density of latents relative to what samples have on average.

    The flow's volume change does not depend on z, so that the log-density of a pose is
    that of its latent up to a constant of the person. Of samples, |z|^2 has the mean D
    and the variance 2 D, where D is the number of latents.

    Args:
      z: latents; zeros stand for the mode, whose value is D / 2 = 72.
    """
    return 0.5 * (z.shape[-1] - jnp.sum(z**2, axis=-1))


@functools.partial(jax.jit, static_argnames="use_hips")
def measure(
    body: BodyModel,
    joints: Float[Array, "*b 44 3"],
    camera: Camera,
    keypoints: Keypoints2D,
    box_size: Float[Array, "*b"],
    betas: Float[Array, "*b S"],
    z: Float[Array, "*b 144"],
    use_hips: bool = True,
) -> Measures:
    """Returns what the plausibility of bodies is judged by.

    Args:
      body: the body model.
      joints: joints (JOINTS_44), metres, camera axes, before the camera's translation.
      camera: camera of the photo, pixels.
      keypoints: detections of the first J of these joints, pixels of the photo.
      box_size: side of the box of each person, pixels of the photo.
      betas: shape coefficients.
      z: latents of the poses.
      use_hips: whether the hips count in the reprojection error; they do not where
        bodies are not fitted to them.
    """
    num_joints = keypoints.confidence.shape[-1]
    seen = keypoints.confidence > MIN_CONFIDENCE
    whole = seen[..., _SHOULDERS].any(-1) & seen[..., _LEGS].any(-1)
    part_of_body = seen.any(-1) & ~whole
    if not use_hips:
        seen &= ~np.isin(np.arange(num_joints), skeleton.HIPS_44)
    count = jnp.sum(seen, axis=-1)
    offset = project(joints[..., :num_joints, :], camera) - keypoints.xy
    # Selecting before the norm keeps positions of missing joints out.
    distance = jnp.linalg.norm(jnp.where(seen[..., None], offset, 0.0), axis=-1)
    error = jnp.sum(distance, axis=-1) / jnp.maximum(count, 1)
    depth = camera.translation[..., 2]
    return Measures(
        reprojection_percent=jnp.where(count > 0, 100.0 * error / box_size, jnp.nan),
        log_density=log_density_of(z),
        largest_beta=jnp.max(jnp.abs(betas), axis=-1),
        distance_m=depth,
        stature_m=stature(body, betas),
        box_m=depth * box_size / jnp.mean(camera.focal_length, axis=-1),
        box_px=box_size,
        part_of_body=part_of_body,
    )


def stature(body: BodyModel, betas: Float[Array, "*b S"]) -> Float[Array, "*b"]:
    """Returns the height of bodies at rest, metres.

    Args:
      body: the body model, in whose frame y points up.
      betas: shape coefficients.
    """
    heights = body.surface.template[_UP] + jnp.matmul(
        betas, body.surface.shape_directions[:, _UP], precision="highest"
    )
    return jnp.max(heights, axis=-1) - jnp.min(heights, axis=-1)


def judge(measures: Measures, limits: Limits, other_body: bool = False) -> Verdict:
    """Returns which bodies are plausible, and why the others are not.

    A number that is not finite is never plausible, except that a person without
    keypoints is not judged by the reprojection error.

    Args:
      measures: measures of any number of bodies.
      limits: the limits.
      other_body: whether the weights were trained on another body, which makes every
        result implausible.
    """
    values = Measures(**{name: np.asarray(a) for name, a in vars(measures).items()})
    checks = _checks(values, limits)
    plausible = np.full(values.distance_m.shape, not other_body)
    for check in checks:
        plausible &= check.holds
    reason = np.full(plausible.shape, "", object)
    for index in map(tuple, np.argwhere(~plausible)):
        texts = [check.text(index) for check in checks if not check.holds[index]]
        reason[index] = "; ".join([OTHER_BODY] * other_body + texts)
    return Verdict(plausible, reason.astype(np.str_))


OTHER_BODY = "the weights were trained on another body"
"""Reason of everyone whose weights were trained on another body."""


@dataclasses.dataclass(frozen=True)
class _Check:
    """Compares one measure with its bounds."""

    values: np.ndarray
    words: str  # with a place for a value
    low: float
    high: float
    may_be_small: np.ndarray | bool = False  # bodies whose lower bound is 0

    @property
    def holds(self) -> np.ndarray:
        low = np.where(self.may_be_small, np.minimum(self.low, 0.0), self.low)
        return (low <= self.values) & (self.values <= self.high)

    def text(self, index: tuple[int, ...]) -> str:
        if self.high == np.inf:
            bounds = f"at least {self.low:g}"
        elif self.low == 0.0:
            bounds = f"at most {self.high:g}"
        else:
            bounds = f"{self.low:g} to {self.high:g}"
        return f"{self.words.format(self.values[index])} ({bounds})"


def _checks(values: Measures, limits: Limits) -> list[_Check]:
    unknown = np.isnan(values.reprojection_percent)
    return [
        _Check(
            np.where(unknown, 0.0, values.reprojection_percent),
            "joints lie {:.1f} % of the box from the keypoints",
            0.0,
            limits.max_reprojection_percent,
        ),
        _Check(
            values.log_density,
            "the pose has a log-density of {:.0f}",
            limits.min_log_density,
            np.inf,
        ),
        _Check(
            values.largest_beta, "a shape coefficient is {:.1f}", 0.0, limits.max_beta
        ),
        _Check(values.stature_m, "the body is {:.2f} m tall", *limits.stature_m),
        _Check(
            values.box_m,
            "the box would be {:.2f} m wide at the body's distance",
            *limits.box_m,
            may_be_small=values.part_of_body,
        ),
        _Check(
            values.box_px, "the box is {:.1f} pixels wide", limits.min_box_px, np.inf
        ),
    ]


def name_other_people(
    verdict: Verdict, measures: Measures, valid: Bool[np.ndarray, "*b N"]
) -> Verdict:
    """Returns the verdict on views, where views that may show another person say so.

    Such a view is implausible, and its reprojection error is more than twice as large
    as the median over the other views of the person.

    Args:
      verdict: verdict on N >= 1 views of each person.
      measures: measures of the same views.
      valid: whether each view exists.
    """
    error = np.asarray(measures.reprojection_percent, np.float64)
    counted = valid & np.isfinite(error)
    reason = verdict.reason.astype(object)
    for *person, view in map(tuple, np.argwhere(counted & ~verdict.plausible)):
        others = counted[tuple(person)].copy()
        others[view] = False
        errors = error[tuple(person)]
        if others.any() and errors[view] > 2.0 * np.median(errors[others]):
            reason[(*person, view)] += "; this view may show another person"
    return Verdict(verdict.plausible, reason.astype(np.str_))


def result_members(measures: Measures, verdict: Verdict) -> dict[str, np.ndarray]:
    """Returns measures and verdict as members of result files and tables, NumPy.

    The reprojection error of people without keypoints is -1.

    Args:
      measures: measures of bodies.
      verdict: verdict on the same bodies.
    """
    error = np.asarray(measures.reprojection_percent)
    return {
        "reprojection_percent": np.where(np.isnan(error), -1.0, error),
        "log_density": np.asarray(measures.log_density),
        "largest_beta": np.asarray(measures.largest_beta),
        "distance_m": np.asarray(measures.distance_m),
        "stature_m": np.asarray(measures.stature_m),
        "plausible": verdict.plausible.astype(np.int32),
        "implausible_reason": verdict.reason,
    }
