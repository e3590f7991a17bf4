"""Writes a page with pictures, tables and turnable bodies, which opens without network.

The demo writes one beside its other outputs, and the mode "view" one of any results.
"""

import base64
import dataclasses
import html
import io
import json
import os

import numpy as np
from PIL import Image

from prohmr_jax.files.assets import PAGE_SCRIPT, PAGE_TEMPLATE
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.rendering.color_bar import spread_scale
from prohmr_jax.rendering.colors import spread_color

MAX_PEOPLE = 8
"""Largest number of people with bodies and pictures on a page, which keeps it small."""
MAX_BODIES = 9
"""Largest number of bodies of a person on a page; the first ones are taken."""
_MAX_PICTURE_PX = 1600
_JPEG_QUALITY = 85
_INT16 = 32767
# Length of a bar of the table for the spread at the end of the scale.
_BAR_REM = 7.0


@dataclasses.dataclass(frozen=True)
class PageJoint:
    """Holds a row of the table of joints."""

    name: str
    """Name of the joint."""
    confidence: float
    """Confidence of its keypoint, in [0, 1]."""
    spread_m: float
    """Spread of its samples, metres."""


@dataclasses.dataclass(frozen=True)
class PagePerson:
    """Holds what a page shows of one person."""

    name: str
    """Name of the person, for the heading."""
    verdict: str | None
    """Why the body is implausible; empty if it is plausible; None if nobody judged."""
    facts: tuple[tuple[str, str], ...]
    """Names of numbers and the numbers, with their units."""
    labels: tuple[str, ...]
    """What each body is, such as "mode"; N words."""
    bodies: np.ndarray
    """Vertices [N, V, 3] of the bodies, metres, camera axes (y down), in one place."""
    faces: np.ndarray
    """Triangles [F, 3] of vertex numbers, counterclockwise from outside."""
    vertex_spread: np.ndarray | None = None
    """Spread [V] of the vertices over the samples, metres; None without samples."""
    joints: tuple[PageJoint, ...] = ()
    """Joints with their spread; empty without samples."""
    pictures: tuple[tuple[str, bytes], ...] = ()
    """Captions, and pictures as JPEG."""


@dataclasses.dataclass
class Page:
    """Collects what a page shows; a run adds to it as it goes on."""

    title: str
    """Title of the page."""
    notes: list[str] = dataclasses.field(default_factory=list)
    """Lines below the title."""
    pictures: list[tuple[str, bytes]] = dataclasses.field(default_factory=list)
    """Captions, and pictures as JPEG, that are about several people."""
    people: list[PagePerson] = dataclasses.field(default_factory=list)
    """People on the page."""

    @property
    def is_full(self) -> bool:
        """Returns whether there are `MAX_PEOPLE` people."""
        return len(self.people) >= MAX_PEOPLE

    def text(self) -> str:
        """Returns the page as HTML; it refers to no other file."""
        meshes: dict[bytes, int] = {}
        people = [_person_data(person, meshes) for person in self.people]
        faces = [_face_data(np.frombuffer(mesh, np.uint32)) for mesh in meshes]
        parts = [
            *(f'<p class="note">{html.escape(note)}</p>' for note in self.notes),
            *(_figure(*picture) for picture in self.pictures),
            *map(_section, self.people),
        ]
        data = json.dumps({"people": people, "faces": faces}).replace("<", "\\u003c")
        page = PAGE_TEMPLATE.read_text("utf-8")
        for mark, part in {
            "@TITLE@": html.escape(self.title),
            "@SCRIPT@": PAGE_SCRIPT.read_text("utf-8"),
            "@DATA@": data,
            "@BODY@": "\n".join(parts),
        }.items():
            # Names of files come last, because they may look like a mark.
            page = page.replace(mark, part)
        return page

    def write(self, path: str | os.PathLike) -> None:
        """Writes the page as one file, as a whole or not at all.

        Args:
          path: the `.html` file to write.

        Raises:
          InputError: the file cannot be written.
        """
        text = self.text()
        write_atomically(path, lambda stream: stream.write(text.encode()))


def jpeg(picture: np.ndarray) -> bytes:
    """Returns a picture [H, W, 3] uint8 as JPEG; large ones are scaled down."""
    image = Image.fromarray(picture)
    image.thumbnail((_MAX_PICTURE_PX, _MAX_PICTURE_PX))
    stream = io.BytesIO()
    image.save(stream, format="JPEG", quality=_JPEG_QUALITY)
    return stream.getvalue()


def quantise(bodies: np.ndarray) -> tuple[np.ndarray, float]:
    """Returns vertices as 16-bit whole numbers, and the metres that 32,767 stand for.

    Args:
      bodies: vertices [N, V, 3], metres; they are moved so that the box around the
        first body has its centre at the origin.
    """
    centre = (bodies[0].min(axis=0) + bodies[0].max(axis=0)) / 2
    moved = np.asarray(bodies, float) - centre
    largest = max(float(np.abs(moved).max()), 1e-6)
    return np.round(moved * (_INT16 / largest)).astype("<i2"), largest


def _person_data(person: PagePerson, meshes: dict[bytes, int]) -> dict:
    """Returns what the program of the page needs; adds a new mesh to `meshes`."""
    vertices, largest = quantise(person.bodies)
    faces = np.asarray(person.faces, np.uint32).tobytes()
    data = {
        "labels": list(person.labels),
        "range": largest,
        "bodies": [_base64(body) for body in vertices],
        "faces": meshes.setdefault(faces, len(meshes)),
    }
    if person.vertex_spread is not None:
        share = person.vertex_spread / spread_scale(person.vertex_spread)
        data["spread"] = _base64(np.round(255 * spread_color(share)).astype(np.uint8))
    return data


def _face_data(numbers: np.ndarray) -> dict:
    wide = bool(numbers.max() > np.iinfo(np.uint16).max)
    return {"wide": wide, "numbers": _base64(numbers.astype("<u4" if wide else "<u2"))}


def _base64(array: np.ndarray) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _section(person: PagePerson) -> str:
    facts = "".join(
        f"<tr><th>{html.escape(name)}<td>{html.escape(value)}"
        for name, value in person.facts
    )
    return f"""<section>
<div class="head"><h2>{html.escape(person.name)}</h2>{_verdict(person)}</div>
<div class="columns">
{_controls(person)}
<div><table class="facts">{facts}</table>{_joint_table(person)}</div>
</div>
{"".join(_figure(*picture) for picture in person.pictures)}
</section>"""


def _verdict(person: PagePerson) -> str:
    if person.verdict is None:
        return ""
    reason = html.escape(person.verdict)
    if reason:
        return f'<span class="verdict no">implausible: {reason}</span>'
    return '<span class="verdict">plausible</span>'


def _controls(person: PagePerson) -> str:
    """Returns the place of the bodies, with what chooses among them."""
    views = "".join(
        f'<button value="{view}">{view}</button>'
        for view in ("camera", "side", "back", "top")
    )
    spread = scale = ""
    if person.vertex_spread is not None:
        spread = (
            '<label><input type="checkbox" name="spread" checked> '
            "colour by spread</label>"
        )
        largest = spread_scale(person.vertex_spread)
        stops = [_css(spread_color(share)) for share in np.linspace(0, 1, 9)]
        gradient = f"linear-gradient(90deg, {', '.join(stops)})"
        scale = (
            f'<div class="scale">0 <i style="background: {gradient}"></i> '
            f"{1000 * largest:.0f} mm</div>"
        )
    return f"""<div class="bodies">
<canvas></canvas>
<p class="no-3d note" hidden>This browser shows no WebGL, so the bodies are missing.</p>
<div class="controls">
<input type="range" name="body" min="0" max="{len(person.labels) - 1}" value="0"
 aria-label="body"><output></output></div>
<div class="controls">{views}{spread}
<label><input type="checkbox" name="ghosts"> all at once</label></div>
{scale}
</div>"""


def _joint_table(person: PagePerson) -> str:
    if not person.joints:
        return ""
    largest = spread_scale(np.array([joint.spread_m for joint in person.joints]))
    rows = []
    for joint in person.joints:
        share = min(joint.spread_m / largest, 1.0)
        bar = (
            f'<i style="width: {_BAR_REM * share:.2f}rem; '
            f'background: {_css(spread_color(share))}"></i>'
        )
        seen = f"{joint.confidence:.2f}" if joint.confidence else "-"
        rows.append(
            f'<tr><td>{html.escape(joint.name)}<td class="n">{seen}'
            f'<td class="n">{1000 * joint.spread_m:.0f} mm<td>{bar}'
        )
    head = '<tr><th>joint<th class="n">confidence<th class="n">spread<th>'
    return f"<table>{head}{''.join(rows)}</table>"


def _figure(caption: str, picture: bytes) -> str:
    source = base64.b64encode(picture).decode()
    text = html.escape(caption)
    return (
        f'<figure><img alt="{text}" src="data:image/jpeg;base64,{source}">'
        f"<figcaption>{text}</figcaption></figure>"
    )


def _css(color: np.ndarray) -> str:
    return "#" + "".join(f"{round(255 * float(part)):02x}" for part in color)
