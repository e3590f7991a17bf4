"""Writes the report of an image model: errors, learning curve and pictures of people.

The modes that train and evaluate image models call it.
"""

import csv
import functools
import io
import os
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array, Float
from PIL import Image

from prohmr_jax.body import BodyModel
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.image_errors import ImageScores
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.geometry import cameras
from prohmr_jax.inference.predict import predict
from prohmr_jax.models.prohmr import PreparedProHMR
from prohmr_jax.rendering import colors
from prohmr_jax.rendering.contact_sheet import contact_sheet
from prohmr_jax.rendering.overlay import overlay
from prohmr_jax.rendering.stage import Stage
from prohmr_jax.rendering.surface import Mesh, openness
from prohmr_jax.rendering.views import Perspective
from prohmr_jax.structs import Camera, Crop, ImageBatch

_SAMPLES_SHOWN = 3
# Columns of the file of the learning curve, which has one line per evaluation.
_CURVE = ("step", "mode_pa_mpjpe", "best_pa_mpjpe", "mode_mpjpe", "mean_pose_pa_mpjpe",
          "mean_pose_mpjpe")  # fmt: skip


def scores_table(scores: ImageScores, num_samples: int) -> list[str]:
    """Returns the lines of a Markdown table of errors, and sentences below it.

    The table has one row per list of joints, with the mean pose beside the model.

    Args:
      scores: errors of the model.
      num_samples: number of samples of which the best was taken.
    """
    people = f"{scores.num_people} people, {scores.num_actions} actions"
    best = f"best of {num_samples}"
    header = [
        f"joints ({people})",
        *("mode PA-MPJPE", f"{best} PA", "mean pose PA"),
        *("mode MPJPE", f"{best} MPJPE", "mean pose MPJPE"),
    ]
    rows = []
    labels = ("h36m_14", "smpl_24") if scores.num_posed else ("h36m_14",)
    for label in labels:
        e = getattr(scores.means, label)
        errors = (
            *(e.mode_pa_mpjpe, e.best_pa_mpjpe[-1], e.mean_pose_pa_mpjpe),
            *(e.mode_mpjpe, e.best_mpjpe[-1], e.mean_pose_mpjpe),
        )
        joints = label.upper().replace("_", "-")
        if label == "smpl_24" and scores.num_posed != scores.num_people:
            joints += f" ({scores.num_posed} people)"
        rows.append([joints, *(f"{error:.1f}" for error in errors)])
    lines = markdown.table(header, rows).splitlines()
    below = lambda ours, mean: 100.0 * (1.0 - ours / mean)  # noqa: E731
    e = scores.means.h36m_14
    lines += [
        "",
        f"On H36M-14 the mode is {below(e.mode_pa_mpjpe, e.mean_pose_pa_mpjpe):.0f} % "
        f"(PA-MPJPE) and {below(e.mode_mpjpe, e.mean_pose_mpjpe):.0f} % (MPJPE) below "
        "the mean pose. Projected joints are "
        f"{scores.means.mode_error_2d:.1f} % of the box from the labelled ones (mode), "
        f"{scores.means.samples_error_2d:.1f} % (samples).",
    ]
    if scores.left_out:
        lines.append(f"People were left out: {scores.left_out}.")
    return lines


@functools.partial(jax.jit, static_argnames="num_hypotheses")
def placed_meshes(
    model: PreparedProHMR,
    body: BodyModel,
    batch: ImageBatch,
    key: jax.Array,
    num_hypotheses: int,
) -> tuple[Float[Array, "B K V 3"], Camera]:
    """Returns the vertices of predicted bodies, and the cameras that see them.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      batch: crops of the people.
      key: random key of the samples.
      num_hypotheses: number of bodies per person, the mode included.

    Returns:
      Vertices, metres, camera frame, and the cameras of the crops, leading axis B.
    """
    crop = Crop(batch.image, batch.box)
    predicted = predict(model, body, crop, key, num_hypotheses, with_vertices=True)
    camera = cameras.crop_camera(predicted.hypotheses.camera)
    return predicted.body.vertices + camera.translation[:, None, None], camera


def draw_people(
    model: PreparedProHMR,
    body: BodyModel,
    batch: ImageBatch,
    seed: int,
    panel_px: int = 224,
) -> np.ndarray:
    """Returns a picture, [H, W, 3], uint8, with one row of panels per person.

    The panels show the photo, the mode over it, the mode from its side, and samples.

    Args:
      model: weights, prepared for inference.
      body: body model that the weights were trained with.
      batch: crops of the people.
      seed: seed of the samples.
      panel_px: side of a panel, pixels.
    """
    key = jax.random.key(seed)
    vertices, camera = jax.device_get(
        placed_meshes(model, body, batch, key, 1 + _SAMPLES_SHOWN)
    )
    titles = ["Photo", "Mode", "Its side"]
    titles += [f"Sample {n + 1}" for n in range(_SAMPLES_SHOWN)]
    panels = []
    for person, crop in enumerate(np.asarray(batch.image)):
        photo = np.asarray(Image.fromarray(crop).resize((panel_px,) * 2))
        # Crop units, centre 0, are pixels of the panel about its middle.
        view = Perspective(
            tuple(camera.focal_length[person] * panel_px),
            tuple(camera.center[person] * panel_px + panel_px / 2.0 - 0.5),
        )
        over = lambda mesh, color, photo=photo, view=view: overlay(  # noqa: E731
            photo, mesh, body.faces, view, person_colors=[color]
        )
        mode, *samples = vertices[person]
        solid = Mesh(mode, body.faces, colors.BODY_BLUE, openness(mode, body.faces))
        panels += [
            photo,
            over(mode, colors.BODY_BLUE),
            Stage.around(mode[None], panel_px).panels(solid)[1],
            *(over(mesh, colors.BODY_PINK) for mesh in samples),
        ]
    return contact_sheet(panels, len(titles), titles)


def h36m_scalars(scores: ImageScores) -> dict[str, float]:
    """Returns the errors on H36M-14 by name, and the 2D error of the mode.

    The best of N is one number, for the largest N that was measured.

    Args:
      scores: errors of the model.
    """
    errors = vars(scores.means.h36m_14)
    scalars = {name: float(np.ravel(value)[-1]) for name, value in errors.items()}
    return scalars | {"mode_error_2d": float(scores.means.mode_error_2d)}


class LearningCurve:
    """Keeps the errors during a training in a file, which a resumed run goes on with.

    Attributes:
      path: path of the `.csv` file.
      rows: one table of column -> value per evaluation; see `_CURVE`.
    """

    def __init__(self, path: str | os.PathLike):
        """Reads the rows of the file, if it exists.

        Raises:
          InputError: the file is not a learning curve.
        """
        self.path = pathlib.Path(path)
        self.rows: list[dict[str, float]] = []
        if self.path.exists():
            try:
                rows = csv.DictReader(io.StringIO(self.path.read_text("utf-8")))
                self.rows = [{k: float(row[k]) for k in _CURVE} for row in rows]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(path, "is not a learning curve") from error

    def add(self, step: int, scores: ImageScores) -> None:
        """Appends the errors on H36M-14 and writes the file.

        Rows of this step and of later ones, which a run that was resumed has left, are
        removed.

        Args:
          step: number of the step after which the model was evaluated.
          scores: errors of the model.
        """
        errors = h36m_scalars(scores)
        row = {"step": float(step)} | {name: errors[name] for name in _CURVE[1:]}
        self.rows = [r for r in self.rows if r["step"] < step] + [row]
        stream = io.StringIO()
        writer = csv.DictWriter(stream, _CURVE)
        writer.writeheader()
        writer.writerows(self.rows)
        data = stream.getvalue().encode()
        write_atomically(self.path, lambda out: out.write(data))

    def draw(self, path: str | os.PathLike) -> None:
        """Draws the curve into a PNG file."""
        from matplotlib.figure import Figure

        figure = Figure(figsize=(7, 3.2), layout="constrained")
        axes = figure.subplots(1, 2)
        steps = [row["step"] for row in self.rows]
        for ax, kind in zip(axes, ("pa_mpjpe", "mpjpe"), strict=True):
            for name, style in (("mode", "-"), ("mean_pose", ":")):
                values = [row[f"{name}_{kind}"] for row in self.rows]
                ax.plot(steps, values, style, marker=".", label=name.replace("_", " "))
            ax.set(xlabel="step", ylabel=f"{kind.replace('_', '-').upper()} (mm)")
            ax.set_ylim(bottom=0)
            ax.legend(loc="lower left")  # errors start high and fall
            ax.grid(alpha=0.3)
        stream = io.BytesIO()
        figure.savefig(stream, format="png", dpi=130)
        write_atomically(path, lambda out: out.write(stream.getvalue()))


def write_page(
    directory: pathlib.Path,
    title: str,
    scores: ImageScores,
    num_samples: int,
    pictures: Sequence[str],
) -> pathlib.Path:
    """Writes the report `index.md` of an evaluation, and returns its path.

    Args:
      directory: directory of the report.
      title: heading of the report.
      scores: errors of the model.
      num_samples: number of samples of which the best was taken.
      pictures: names of the pictures in the directory that the report shows.
    """
    lines = [f"# {title}", "", *scores_table(scores, num_samples), ""]
    lines += [f"![{name}]({name})\n" for name in pictures]
    text = "\n".join(lines).encode()
    write_atomically(directory / "index.md", lambda stream: stream.write(text))
    return directory / "index.md"
