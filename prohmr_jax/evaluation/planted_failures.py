"""Makes people whose keypoints or cameras are wrong in a known way.

`evaluation.plausibility_errors` measures how many of them are found out, and how many
good people are wrongly suspected. All positions are in pixels of photos that are 1,000
pixels wide and high, taken by cameras with a focal length of 1,000 pixels.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from prohmr_jax.evaluation.fitting_scenes import Scenes
from prohmr_jax.geometry.extrinsics import Extrinsics
from prohmr_jax.geometry.rotations import rotate
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.structs import Keypoints2D

SIDE_PX = 1000.0
"""Width and height of the photos, and their focal length, pixels."""

KeypointFault = Callable[[Keypoints2D], Keypoints2D]
"""Takes good keypoints [P, 25] of P >= 2 people, pixels, and returns wrong ones."""

_UPPER = np.array(
    [
        not any(part in name for part in ("hip", "knee", "ankle", "toe", "heel"))
        for name in BODY_25.names
    ]
)


def in_pixels(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns keypoints at focal length 1 in pixels of the photo."""
    return keypoints.replace(xy=SIDE_PX * keypoints.xy + SIDE_PX / 2.0)


def _in_order_of_coco(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns the 17 joints of COCO where those of BODY_25 belong."""
    order = jnp.asarray(BODY_25.indices(*COCO_17.names))
    missing = len(BODY_25) - len(order)
    return Keypoints2D(
        jnp.pad(keypoints.xy[:, order], ((0, 0), (0, missing), (0, 0))),
        jnp.pad(keypoints.confidence[:, order], ((0, 0), (0, missing))),
    )


def _shifted_by_one(keypoints: Keypoints2D) -> Keypoints2D:
    return jax.tree.map(lambda a: jnp.roll(a, 1, axis=1), keypoints)


def _exchanged_axes(keypoints: Keypoints2D) -> Keypoints2D:
    return keypoints.replace(xy=keypoints.xy[..., ::-1])


def _upwards(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns positions whose y counts from the lower edge upwards."""
    from_below = jnp.array([0.0, SIDE_PX]) + jnp.array([1.0, -1.0]) * keypoints.xy
    return keypoints.replace(xy=from_below)


def _normalised(keypoints: Keypoints2D) -> Keypoints2D:
    return keypoints.replace(xy=keypoints.xy / SIDE_PX)


def _legs_of_another(keypoints: Keypoints2D) -> Keypoints2D:
    """Returns people with the legs of the next person, who stands beside them."""
    low, high = jnp.min(keypoints.xy, axis=1), jnp.max(keypoints.xy, axis=1)
    side = jnp.max(high - low, axis=-1)[:, None, None]
    middle = ((low + high) / 2.0)[:, None]
    alone = (keypoints.xy - middle) / side
    beside = side * (jnp.roll(alone, 1, axis=0) + jnp.array([0.5, 0.0])) + middle
    return keypoints.replace(xy=jnp.where(_UPPER[:, None], keypoints.xy, beside))


KEYPOINT_FAULTS: dict[str, KeypointFault] = {
    "joints in COCO's order": _in_order_of_coco,
    "joints shifted by one": _shifted_by_one,
    "x and y exchanged": _exchanged_axes,
    "y counted upwards": _upwards,
    "legs of another person": _legs_of_another,
    "normalised positions": _normalised,
}
"""Faults of single pictures, by name."""

SceneFault = Callable[[Scenes], tuple[Scenes, float | Float[Array, " N"]]]
"""Takes good scenes of G >= 2 people with keypoints in pixels, and returns wrong ones
and the wrong focal lengths of the N cameras, relative to the true one."""


def _millimetres(scenes: Scenes) -> tuple[Scenes, float]:
    extrinsics = scenes.extrinsics
    longer = extrinsics.replace(translation=1000.0 * extrinsics.translation)
    return scenes.replace(extrinsics=longer), 1.0


def _camera_to_world(scenes: Scenes) -> tuple[Scenes, float]:
    extrinsics = scenes.extrinsics
    inverse = jnp.swapaxes(extrinsics.rotation, -1, -2)
    place = -rotate(inverse, extrinsics.translation)
    return scenes.replace(extrinsics=Extrinsics(inverse, place)), 1.0


def _exchanged_cameras(scenes: Scenes) -> tuple[Scenes, float]:
    exchanged = jax.tree.map(lambda a: jnp.roll(a, 1, axis=1), scenes.extrinsics)
    return scenes.replace(extrinsics=exchanged), 1.0


def _another_person(scenes: Scenes) -> tuple[Scenes, float]:
    """Returns scenes whose last view shows the next person."""
    keypoints = jax.tree.map(
        lambda a: a.at[:, -1].set(jnp.roll(a[:, -1], 1, axis=0)), scenes.keypoints
    )
    return scenes.replace(keypoints=keypoints), 1.0


VIEW_FAULTS: dict[str, SceneFault] = {"another person in one view": _another_person}
"""Faults of the keypoints of several views of a person, by name."""

CAMERA_FAULTS: dict[str, SceneFault] = {
    "translations in millimetres": _millimetres,
    "camera to world": _camera_to_world,
    "exchanged cameras": _exchanged_cameras,
    "focal lengths doubled": lambda scenes: (scenes, 2.0),
    "focal lengths halved": lambda scenes: (scenes, 0.5),
    "one focal length doubled": lambda scenes: (
        scenes,
        jnp.ones(scenes.keypoints.confidence.shape[1]).at[-1].set(2.0),
    ),
}
"""Faults of known cameras, by name; methods that use no cameras cannot meet them."""
