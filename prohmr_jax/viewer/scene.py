"""Computes what the viewer shows: meshes, their colours, and views of them.

`server` puts it into a browser, and `table_pages` on a page; nothing here needs either.
"""

from collections.abc import Sequence

import jax
import numpy as np
from scipy.spatial.transform import Rotation

from prohmr_jax.body import BodyModel, body_mesh
from prohmr_jax.errors import InputError
from prohmr_jax.geometry.spread import spread
from prohmr_jax.inference.person_keys import tree_sha256
from prohmr_jax.rendering.color_bar import spread_scale
from prohmr_jax.rendering.colors import BODY_BLUE, BODY_PINK, spread_color
from prohmr_jax.structs import SmplParams
from prohmr_jax.viewer.people import (
    FIT,
    MODE,
    SAMPLE,
    ShownBodies,
    ShownCamera,
    ShownPerson,
)

PLAIN, BY_SPREAD, BY_LIKELIHOOD = "plain", "spread", "likelihood"
"""Words for what colours mean."""
VIEWS = ("camera", "side", "back", "top")
"""Names of the views of `look_from`."""
MAX_GHOSTS = 12
"""Largest number of bodies that are shown at once."""
_spread = jax.jit(spread)
# Number of bodies that are posed at a time, so that one program serves any number.
_AT_ONCE = 8
# Distance of the views from the body, in heights of the body.
_AWAY = 2.0


class PosedBodies:
    """Poses the bodies of people; all bodies of a person stand where the first does.

    How far away a body is, is hardly observed: bodies in their own places would be
    metres apart, and their poses could not be compared.
    """

    def __init__(self, body: BodyModel, name: str = "open"):
        """Keeps a body model.

        Args:
          body: the body model that the results were made with.
          name: its name, for messages.
        """
        self.faces = np.asarray(body.faces)
        self._body, self._name = body, name
        self._sha256 = tree_sha256(body)

    def require_body_of(self, people: Sequence[ShownPerson]) -> None:
        """Refuses people whose results are of another body model.

        Args:
          people: people who are to be shown.

        Raises:
          InputError: the results state another body model.
        """
        for person in people:
            if person.body_sha256 not in ("", self._sha256):
                what = f"is not the body {person.body!r} that {person.name} was made "
                raise InputError(self._name, f"{what}with; name it by --config.body")

    def __call__(
        self, person: ShownPerson, bodies: Sequence[ShownBodies], frame: int = 0
    ) -> np.ndarray:
        """Returns the vertices [N, V, 3] of bodies in a frame, metres, camera axes.

        Args:
          person: the person.
          bodies: N of the person's bodies.
          frame: position of the frame.

        Raises:
          InputError: the body model has another number of shape coefficients.
        """
        rotmats = np.stack([b.rotmats[frame] for b in bodies]).astype(np.float32)
        betas = np.stack([b.betas[frame] for b in bodies]).astype(np.float32)
        if betas.shape[-1] != self._body.num_betas:
            what = f"has {self._body.num_betas} shape coefficients, not "
            raise InputError(self._name, f"{what}{betas.shape[-1]} as the results")
        pieces = []
        for start in range(0, len(bodies), _AT_ONCE):
            rows = np.arange(start, start + _AT_ONCE).clip(max=len(bodies) - 1)
            rows = rows if len(bodies) > 1 else rows[:1]
            params = SmplParams.from_rotmats(rotmats[rows], betas[rows])
            vertices = _vertices(self._body, params)
            pieces.append(np.asarray(vertices)[: len(bodies) - start])
        place = person.bodies[0].translation[frame]
        return np.concatenate(pieces) + place.astype(np.float32)

    def spread(self, person: ShownPerson) -> np.ndarray | None:
        """Returns the spread of a person's samples at each vertex, [V], metres.

        It is the one that the results state, or that of the samples; None if there are
        fewer than two samples of one picture.
        """
        if person.vertex_spread is not None:
            return person.vertex_spread
        samples = person.of_kind(SAMPLE)
        if len(samples) < 2 or len(person.frames) > 1:
            return None
        return np.asarray(_spread(self(person, samples)))


@jax.jit
def _vertices(body: BodyModel, params: SmplParams) -> jax.Array:
    return body_mesh(body, params).vertices


def body_colors(
    meaning: str,
    bodies: ShownBodies,
    person: ShownPerson,
    num_vertices: int,
    vertex_spread: np.ndarray | None,
) -> np.ndarray:
    """Returns the colours [V, 3] uint8 of a body.

    Args:
      meaning: `BY_SPREAD`, which colours vertices by their spread; `BY_LIKELIHOOD`,
        which colours samples from the likeliest, which is light, to the least likely;
        or `PLAIN`. Where the spread or likelihood is not known, colours are plain.
      bodies: the body.
      person: the person whose body it is.
      num_vertices: number V of vertices.
      vertex_spread: spread of the vertices, [V], metres; None if it is not known.
    """
    color = np.array(BODY_BLUE if bodies.kind in (FIT, MODE) else BODY_PINK)
    if meaning == BY_SPREAD and vertex_spread is not None:
        color = spread_color(vertex_spread / spread_scale(vertex_spread))
    elif meaning == BY_LIKELIHOOD:
        # The mode is far likelier than any sample, and would leave them one colour.
        known = np.array([b.log_prob for b in person.of_kind(SAMPLE)])
        if bodies.kind in (MODE, SAMPLE) and len(known) > 1:
            share = (known.max() - bodies.log_prob) / max(np.ptp(known), 1e-9)
            color = spread_color(share)
    colors = np.broadcast_to(color, (num_vertices, 3))
    return np.round(255 * colors).astype(np.uint8)


def look_from(
    view: str, vertices: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the position, the point looked at, and the up direction of a view, [3].

    Args:
      view: one of `VIEWS`: "camera" looks along the camera's axis, the others from the
        body's side, back or top as the camera sees it.
      vertices: vertices [V, 3] that are in sight, metres, camera axes.
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    middle, size = (low + high) / 2, float((high - low).max())
    directions = {
        "camera": ((0, 0, -1), (0, -1, 0)),
        "side": ((-1, 0, 0), (0, -1, 0)),
        "back": ((0, 0, 1), (0, -1, 0)),
        "top": ((0, -1, 0), (0, 0, 1)),
    }
    towards, up = directions[view]
    return middle + _AWAY * size * np.array(towards, float), middle, np.array(up, float)


def camera_pose(
    rotation: np.ndarray, translation: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the rotation (w, x, y, z) and the position [3] of a camera.

    Args:
      rotation: rotation R [3, 3] of x_camera = R x + t.
      translation: translation t [3], metres.
    """
    turned = Rotation.from_matrix(rotation.T)
    return turned.as_quat(scalar_first=True), -rotation.T @ translation


def field_of_view(camera: ShownCamera) -> tuple[float, float]:
    """Returns the vertical field of view of a camera, radians, and width by height.

    Without the size of its picture, the principal point is taken for its middle.
    """
    width, height = (float(side) for side in camera.image_size_px)
    if min(width, height) <= 0:
        width, height = (2 * max(float(side), 1.0) for side in camera.intrinsics[:2, 2])
    return 2 * float(np.arctan2(height / 2, camera.intrinsics[1, 1])), width / height
