"""Shows people in a browser, with what turns, compares and plays their bodies.

The mode "view" calls `Viewer`. It needs the extra "viewer" (viser).
"""

import contextlib
import io
import threading
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import trimesh

from prohmr_jax.errors import InputError
from prohmr_jax.files.images import read_image
from prohmr_jax.viewer.people import FIT, MODE, ShownBodies, ShownPerson
from prohmr_jax.viewer.scene import (
    BY_LIKELIHOOD,
    BY_SPREAD,
    MAX_GHOSTS,
    PLAIN,
    VIEWS,
    PosedBodies,
    body_colors,
    camera_pose,
    field_of_view,
    look_from,
)

_GHOST_OPACITY, _COMPARED_OPACITY = 0.12, 0.55
_CAMERA_SIZE = 0.15
_FIELD_OF_VIEW = 0.6
# What is shown of verdicts that are no reasons.
_VERDICTS = {None: "", "": "plausible"}
# Positions that light comes from, towards the origin, and intensities.
_LIGHTS = (((-0.5, -1.0, -1.0), 1.6), ((0.6, -0.6, 1.0), 0.8))


def _import_viser() -> Any:
    try:
        import viser
    except ImportError:
        what = "needs another package: pip install 'prohmr-jax[viewer]'"
        raise InputError("viewer", f"{what}; --html writes a page without it") from None
    return viser


class Viewer:
    """Serves the bodies of people to browsers, until it is stopped."""

    def __init__(
        self,
        people: Sequence[ShownPerson],
        posed: PosedBodies,
        host: str,
        port: int,
    ):
        """Starts the server, with the first person in the scene.

        Args:
          people: people to show, at least one.
          posed: poses their bodies.
          host: address to listen at; "localhost" is reached from this machine alone.
          port: first port to try.

        Raises:
          InputError: viser is not installed, no port is free, or the body model does
            not fit the results.
        """
        viser = _import_viser()
        self._people, self._posed = people, posed
        self._lock = threading.RLock()
        # What is drawn beside the chosen body, and taken away before the next drawing.
        self._besides: list[Any] = []
        self._person, self._spread = people[0], posed.spread(people[0])
        try:
            with contextlib.redirect_stdout(io.StringIO()):  # Its banner.
                self.server = viser.ViserServer(host, port, "prohmr_jax", False)
        except OSError as error:
            raise InputError("config.port", f"{port} cannot be used: {error}") from None
        scene = self.server.scene
        scene.set_up_direction("-y")
        scene.configure_default_lights(enabled=False)
        scene.add_light_ambient("/ambient", intensity=1.2)
        for number, (position, intensity) in enumerate(_LIGHTS):
            name = f"/light{number}"
            scene.add_light_directional(name, position=position, intensity=intensity)
        self._panel()
        self._choose_person()
        self.server.on_client_connect(lambda client: self._look(client, VIEWS[0]))

    @property
    def port(self) -> int:
        """Returns the port that the server listens at."""
        return self.server.get_port()

    def play(self, seconds: float = float("inf")) -> None:
        """Shows one frame after another where the controls say so.

        Args:
          seconds: time after which it ends.
        """
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1 / self._rate.value)
            with self._lock:
                if self._playing.value and len(self._person.frames) > 1:
                    self._frame.value = (self._frame.value + 1) % len(
                        self._person.frames
                    )

    def choose(self, person: int | None = None, body: int | None = None) -> None:
        """Chooses a person, and a body of the person, as the controls do.

        Args:
          person: position among the people; None keeps the person.
          body: position among the person's bodies; None keeps the body.
        """
        if person is not None:
            self._whom.value = self._names[person]
        if body is not None:
            self._number.value = body

    def stop(self) -> None:
        """Stops the server."""
        with contextlib.redirect_stdout(io.StringIO()):
            self.server.stop()

    def _panel(self) -> None:
        """Makes the controls; what there is of each person is set later."""
        gui = self.server.gui
        names = [person.name for person in self._people]
        # Two people may have one name; a dropdown tells its entries by their text.
        self._names = [f"{number + 1}. {name}" for number, name in enumerate(names)]
        self._whom = gui.add_dropdown("person", self._names)
        self._verdict = gui.add_markdown("")
        self._number = gui.add_slider("body", 0, 1, 1, 0)
        self._label = gui.add_markdown("")
        self._color = gui.add_dropdown("colour", (PLAIN, BY_SPREAD, BY_LIKELIHOOD))
        self._color.value = BY_SPREAD if self._spread is not None else PLAIN
        self._compare = gui.add_checkbox("the mode as well", False)
        self._ghosts = gui.add_checkbox("samples as ghosts", False)
        views = gui.add_button_group("view", VIEWS)
        with gui.add_folder("cameras"):
            self._cameras = gui.add_checkbox("show", False)
            self._through = gui.add_dropdown("camera", ("-",))
            through = gui.add_button("look through")
        with gui.add_folder("frames"):
            self._playing = gui.add_checkbox("play", False)
            self._rate = gui.add_slider("frames per second", 1, 60, 1, 25)
            self._frame = gui.add_slider("frame", 0, 1, 1, 0)
        self._pictures = gui.add_folder("pictures")
        self._picture_handles: list[Any] = []
        self._whom.on_update(lambda _: self._choose_person())
        for control in (
            self._number, self._color, self._compare, self._ghosts, self._cameras,
            self._frame,
        ):  # fmt: skip
            control.on_update(lambda _: self._draw())
        views.on_click(lambda event: self._look(event.client, event.target.value))
        through.on_click(lambda event: self._look_through(event.client))

    def _choose_person(self) -> None:
        with self._lock:
            person = self._people[self._names.index(self._whom.value)]
            self._person, self._spread = person, self._posed.spread(person)
            verdict = f"**implausible**: {person.verdict}"
            self._verdict.content = _VERDICTS.get(person.verdict, verdict)
            self._number.max = max(len(person.bodies) - 1, 1)
            self._number.disabled = len(person.bodies) < 2
            self._number.value = 0
            self._frame.max = max(len(person.frames) - 1, 1)
            self._frame.disabled = self._playing.disabled = len(person.frames) < 2
            self._frame.value = 0
            self._compare.disabled = not self._compared()
            self._through.options = tuple(
                f"{number + 1}. {camera.name}"
                for number, camera in enumerate(person.cameras)
            ) or ("-",)
            self._show_pictures()
            self._draw()

    def _compared(self) -> list[ShownBodies]:
        """Returns the predicted bodies that a fitted one can be compared with."""
        return self._person.of_kind(MODE) if self._person.of_kind(FIT) else []

    def _show_pictures(self) -> None:
        for handle in self._picture_handles:
            handle.remove()
        self._picture_handles.clear()
        with self._pictures:
            for path in self._person.pictures:
                try:
                    image = read_image(path)
                except InputError:
                    continue  # The bodies can be looked at without it.
                handle = self.server.gui.add_image(image, label=path.name)
                self._picture_handles.append(handle)

    def _draw(self) -> None:
        """Puts what the controls say into the scene."""
        with self._lock, self.server.atomic():
            for handle in self._besides:
                handle.remove()
            self._besides.clear()
            person = self._person
            frame = min(self._frame.value, len(person.frames) - 1)
            chosen = person.bodies[min(self._number.value, len(person.bodies) - 1)]
            when = f", frame {person.frames[frame]}" if len(person.frames) > 1 else ""
            self._label.content = chosen.label + when
            vertices = self._posed(person, [chosen], frame)[0]
            colors = body_colors(
                self._color.value, chosen, person, len(vertices), self._spread
            )
            mesh = trimesh.Trimesh(
                vertices, self._posed.faces, vertex_colors=colors, process=False
            )
            _ = mesh.vertex_normals  # The file that is sent has them if they are known.
            self.server.scene.add_mesh_trimesh("/body", mesh)
            compared = self._compared() if self._compare.value else []
            ghosts = []
            if self._ghosts.value:
                others = [b for b in person.bodies if b.kind not in (FIT, MODE)]
                ghosts = others[:MAX_GHOSTS]
            self._draw_pale("/mode", compared[:1], chosen, frame, _COMPARED_OPACITY)
            self._draw_pale("/ghost", ghosts, chosen, frame, _GHOST_OPACITY)
            self._draw_cameras()

    def _draw_pale(
        self,
        name: str,
        bodies: Sequence[ShownBodies],
        chosen: ShownBodies,
        frame: int,
        opacity: float,
    ) -> None:
        """Draws pale bodies; the chosen body is not drawn twice."""
        scene, person = self.server.scene, self._person
        bodies = [b for b in bodies if b is not chosen]
        if not bodies:
            return
        for number, vertices in enumerate(self._posed(person, bodies, frame)):
            color = body_colors(PLAIN, bodies[number], person, 1, None)[0]
            mesh = scene.add_mesh_simple(
                f"{name}/{number}",
                vertices,
                self._posed.faces,
                color=tuple(int(part) for part in color),
                opacity=opacity,
                cast_shadow=False,
            )
            self._besides.append(mesh)

    def _draw_cameras(self) -> None:
        for number, camera in enumerate(self._person.cameras):
            if not self._cameras.value:
                break
            wxyz, position = camera_pose(camera.rotation, camera.translation)
            fov, aspect = field_of_view(camera)
            placed = {"wxyz": wxyz, "position": position, "scale": _CAMERA_SIZE}
            frustum = self.server.scene.add_camera_frustum(
                f"/cameras/{number}", fov, aspect, **placed
            )
            self._besides.append(frustum)

    def _look(self, client: Any, view: str) -> None:
        """Moves a browser's camera to a view of the body."""
        with self._lock:
            frame = min(self._frame.value, len(self._person.frames) - 1)
            vertices = self._posed(self._person, self._person.bodies[:1], frame)[0]
            position, middle, up = look_from(view, vertices)
        _move(client, position, middle, up, _FIELD_OF_VIEW)

    def _look_through(self, client: Any) -> None:
        """Moves a browser's camera to where a camera of the results is."""
        with self._lock:
            if not self._person.cameras:
                return
            self._cameras.value = False  # Its own lines would be in the way.
            number = self._through.options.index(self._through.value)
            camera = self._person.cameras[number]
            away = np.linalg.norm(self._person.bodies[0].translation[0])
        _, position = camera_pose(camera.rotation, camera.translation)
        _, down, forward = camera.rotation
        middle = position + away * forward
        _move(client, position, middle, -down, field_of_view(camera)[0])


def _move(
    client: Any, position: np.ndarray, middle: np.ndarray, up: np.ndarray, fov: float
) -> None:
    with client.atomic():
        client.camera.up_direction = up
        client.camera.position = position
        client.camera.look_at = middle
        client.camera.fov = fov
