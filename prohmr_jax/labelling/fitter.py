"""Predicts and fits people by the batch, in a number of slots that never changes."""

import collections
import dataclasses
import functools
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from flax import struct
from jaxtyping import Array, Float, Int

from prohmr_jax import cameras
from prohmr_jax.body import BodyModel
from prohmr_jax.fitting.keypoints import (
    KeypointFit,
    View,
    crop_view,
    fitted,
    keypoint_problem,
)
from prohmr_jax.fitting.objectives import (
    FittingModel,
    KeypointData,
    KeypointParams,
    bind_keypoints,
)
from prohmr_jax.labelling.people import Sighting, Window
from prohmr_jax.minimise import Minimum, Settings
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.predict import Prediction, predict
from prohmr_jax.rotations import rotmat_to_axis_angle
from prohmr_jax.slots import Slots, map_batches, rows
from prohmr_jax.structs import Camera, Keypoints2D

Columns = dict[str, np.ndarray]


@struct.dataclass
class Seen:
    """People as the device gets them; pixels of their photos."""

    shown: Keypoints2D
    """What the encoder looks at."""
    keypoints: Keypoints2D
    """JOINTS_44, what is fitted to."""
    image_size: Float[Array, "*b 2"]
    """(width, height); zeros where it is not known."""
    focal_length: Float[Array, "*b 2"]
    """Of the photo's camera; zeros for one like the crop's."""
    principal_point: Float[Array, "*b 2"]
    """Zeros for the middle."""
    draw: Int[Array, "*b"]
    """Says which draws are this person's."""


@struct.dataclass
class Guess:
    """What the model says of people, and the fits that start from it."""

    prediction: Prediction
    camera: Camera
    """Of the photo."""
    view: View
    """What is fitted; crop frame: in pixels of the crop."""
    pose_axis_angle: Float[Array, "*b K 24 3"]


@dataclasses.dataclass(frozen=True)
class FitSettings:
    """How to fit."""

    frame: Literal["crop", "image"] = "crop"
    """Whose pixels the data term counts."""
    use_hips: bool = False
    num_hypotheses: int = 1
    seed: int = 0
    slots: int = 64
    minimise: Settings = Settings()


@functools.partial(jax.jit, static_argnames=("num_hypotheses", "frame"))
def guess(
    model: PreparedProHMR,
    body: BodyModel,
    key: jax.Array,
    seen: Seen,
    *,
    num_hypotheses: int,
    frame: str,
) -> Guess:
    """Returns modes and draws of people, and the views that they are fitted to."""

    def one(shown, draw):
        alone = jax.tree.map(lambda a: a[None], shown)
        key_of_person = jax.random.fold_in(key, draw)
        made = predict(model, body, alone, key_of_person, num_hypotheses)
        return jax.tree.map(lambda a: a[0], made)

    prediction = jax.vmap(one)(seen.shown, seen.draw)
    weak, box = prediction.hypotheses.camera, prediction.box
    camera, side = cameras.photo_camera(
        weak, box, seen.image_size, seen.focal_length, seen.principal_point
    )
    view = View(seen.keypoints, camera, side)
    if frame == "crop":
        xy = cameras.image_to_crop(seen.keypoints.xy, box)
        view = crop_view(seen.keypoints.replace(xy=xy), weak)
        camera = cameras.crop_camera_in_image(weak, box)
    smpl = prediction.hypotheses.smpl
    rotmats = jnp.concatenate(
        [smpl.global_orient[..., None, :, :], smpl.body_pose], axis=-3
    )
    return Guess(prediction, camera, view, rotmat_to_axis_angle(rotmats))


def gather(people: Sequence[Sighting], focal_length_px: float) -> Seen:
    """Returns people stacked, NumPy.

    Args:
      people: at least one.
      focal_length_px: of photos whose camera is not known; 0: like the crop's.
    """
    stack = lambda trees: jax.tree.map(  # noqa: E731
        lambda *leaves: np.stack(leaves).astype(np.float32), *trees
    )
    known = np.stack([person.intrinsics for person in people]).astype(np.float32)
    focal = known[:, [0, 1], [0, 1]]
    return Seen(
        shown=stack([person.detection.keypoints for person in people]),
        keypoints=stack([person.keypoints for person in people]),
        image_size=np.array([person.image_size for person in people], np.float32),
        focal_length=np.where(focal > 0, focal, np.float32(focal_length_px)),
        principal_point=known[:, :2, 2],
        draw=np.array([_draw_number(person) for person in people], np.uint32),
    )


def _draw_number(person: Sighting) -> int:
    leaves = jax.tree.leaves(person.detection.keypoints)
    return zlib.crc32(b"".join(np.asarray(a, np.float32).tobytes() for a in leaves))


@dataclasses.dataclass
class _Open:
    """A window, some of whose people are still in slots."""

    window: Window
    seen: Seen | None
    guess: Guess | None
    problem: tuple[KeypointParams, KeypointData] | None
    minima: list[Minimum | None]

    @property
    def done(self) -> bool:
        return all(minimum is not None for minimum in self.minima)


class Fitter:
    """A model, a body and settings, for any number of people.

    Attributes:
      slots: where people are solved; says how well they are used.
    """

    def __init__(
        self,
        model: PreparedProHMR,
        body: BodyModel,
        settings: FitSettings,
        focal_length_px: float,
    ):
        """Takes what every person shares; `focal_length_px` as in `gather`."""
        self._settings, self._focal_length_px = settings, focal_length_px
        self._model = FittingModel(model.flow, body)
        key = jax.random.key(settings.seed)
        self._guess = functools.partial(
            guess,
            model,
            body,
            key,
            num_hypotheses=settings.num_hypotheses,
            frame=settings.frame,
        )
        self.slots = Slots(
            bind_keypoints(self._model), settings.minimise, settings.slots
        )

    def __call__(
        self, windows: Iterable[Window]
    ) -> Iterator[tuple[Window, Columns | None, np.ndarray]]:
        """Yields windows with the columns of their people, in order.

        While the last people of a window are solved, those of the next enter.

        Yields:
          A window; the columns of `tables.FitTable`, of the people with a finite start,
          None if there are none; and which those are, a mask.
        """
        waiting = collections.deque()

        def people():
            for window in windows:
                waiting.append(opened := self._open(window))
                if opened.seen is not None:
                    yield from rows(opened.problem)

        first = 0
        for number, minimum in self.slots.solve(people()):
            place = number - first
            for opened in waiting:
                if place < len(opened.minima):
                    opened.minima[place] = minimum
                    break
                place -= len(opened.minima)
            while waiting and waiting[0].done:
                first += len(waiting[0].minima)
                yield self._close(waiting.popleft())
        # Windows at the end in which there is nobody.
        while waiting:
            yield self._close(waiting.popleft())

    def _open(self, window: Window) -> _Open:
        if not window.people:
            return _Open(window, None, None, None, [])
        seen = gather(window.people, self._focal_length_px)
        size = self._settings.slots
        made = map_batches(self._guess, (seen,), size)
        problem = functools.partial(
            keypoint_problem, self._model, use_hips=self._settings.use_hips
        )
        betas = made.prediction.hypotheses.smpl.betas[:, 0]
        people = made.prediction.context, betas, made.view
        start = map_batches(problem, people, size)
        return _Open(window, seen, made, start, [None] * len(window.people))

    def _close(self, opened: _Open) -> tuple[Window, Columns | None, np.ndarray]:
        if opened.seen is None:
            return opened.window, None, np.zeros(0, bool)
        minimum = jax.tree.map(lambda *leaves: np.stack(leaves), *opened.minima)
        finish = functools.partial(_finish, self._model)
        _, data = opened.problem
        made = map_batches(finish, (data, minimum), self._settings.slots)
        sound = np.isfinite(minimum.loss)
        columns = {n: a[sound] for n, a in _columns(opened, *made).items()}
        return opened.window, columns if sound.any() else None, sound


@jax.jit
def _finish(model: FittingModel, data, minimum: Minimum):
    fit = fitted(model, data, minimum)
    smpl = fit.smpl
    rotmats = jnp.concatenate([smpl.global_orient[:, None], smpl.body_pose], axis=1)
    return fit, rotmat_to_axis_angle(rotmats)


def _columns(opened: _Open, fit: KeypointFit, fit_pose: np.ndarray) -> Columns:
    """The members of `tables.FitTable`."""
    people, seen, made = opened.window.people, opened.seen, opened.guess
    hypotheses, box = made.prediction.hypotheses, made.prediction.box
    intrinsics = np.tile(np.eye(3, dtype=np.float32), (len(people), 1, 1))
    intrinsics[:, [0, 1], [0, 1]] = made.camera.focal_length
    intrinsics[:, :2, 2] = made.camera.center
    frames = [person.detection.frame for person in people]
    # The volume does not depend on z: densities differ by the normal's alone.
    density = hypotheses.log_prob[:, 0] - 0.5 * np.sum(fit.z**2, axis=-1)
    return {
        "source": np.array([person.source for person in people]),
        "person_index": np.array([p.detection.person_index for p in people]),
        "frame": np.array([-1 if frame is None else frame for frame in frames]),
        "photo": np.array([person.photo_name for person in people]),
        "keypoints_px": seen.keypoints.xy,
        "keypoint_confidence": seen.keypoints.confidence,
        "image_size_px": seen.image_size.astype(np.int32),
        "box_center_px": box.center,
        "box_size_px": box.size,
        "intrinsics": intrinsics,
        "pose_axis_angle": made.pose_axis_angle,
        "log_prob": hypotheses.log_prob,
        "joints": made.prediction.body.joints,
        "betas": hypotheses.smpl.betas[:, 0],
        "translation": made.camera.translation,
        "fit_z": fit.z,
        "fit_pose_axis_angle": fit_pose,
        "fit_log_prob": density,
        "fit_joints": fit.body.joints,
        "fit_betas": fit.smpl.betas,
        "fit_translation": fit.camera.translation,
        "fit_start_loss": fit.minimum.start_loss,
        "fit_loss": fit.minimum.loss,
        "fit_steps": fit.minimum.steps,
        "fit_evaluations": fit.minimum.evaluations,
        "fit_reason": fit.minimum.reason,
    }
