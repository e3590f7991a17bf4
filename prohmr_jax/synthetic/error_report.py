"""Writes Markdown tables of a detector's errors in views that are held out.

The mode "measure_detector" calls `error_report`.
"""

import numpy as np

from prohmr_jax.files.markdown import table
from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.priors.detector_errors import (
    PART_OF_17,
    PARTS,
    STATES,
    mirrored_xy,
)
from prohmr_jax.synthetic.fit_detector_errors import (
    exchanged,
    offsets_of,
    put_straight,
)
from prohmr_jax.synthetic.view_geometry import Geometry


def error_report(
    parts: dict[str, np.ndarray], training: Geometry, held_out: Geometry
) -> str:
    """Returns tables of errors, scores and exchanged sides as Markdown.

    Errors are in per cent of the person's size, over joints whose score counts. Those
    "before" are distances from the body's joints, those "after" from where the model
    says that the detector puts them.

    Args:
      parts: the model, as `fit_detector_errors` returns it.
      training: views to which it was fitted.
      held_out: views with other poses.
    """
    expected = held_out.expected(offsets_of(parts["offset"]))
    swapped = exchanged(held_out, expected)
    straight = put_straight(held_out, swapped)
    counts = straight.score > MIN_CONFIDENCE
    before = straight.detected - straight.xy
    after = straight.detected - expected
    in_sight = counts & (straight.state == 0)
    lines = [
        f"Fitted to {len(training.angle)} views, measured on {len(held_out.angle)}.",
        "",
        table(
            ["joint", "N", "mean before", "mean after", "median before",
             "median after", "shift before", "shift after"],
            [
                [name, *_residual_row(before, after, in_sight & mask)]
                for name, mask in _rows()
            ],
        ),
        "",
        table(
            ["joint"]
            + [f"{what}, {state}" for state in STATES
               for what in ("share", "mean score", "missed", "mean error")],
            [
                [name, *_state_row(straight, after, mask)] for name, mask in _rows()
            ],
        ),
        "",
        table(
            ["angle to the camera", "views", "exchanged: face", "arms", "legs", "any"],
            _swap_rows(parts["offset"], training, held_out),
        ),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _rows() -> list[tuple[str, np.ndarray]]:
    rows = [(name, PART_OF_17 == part) for part, name in enumerate(PARTS)]
    return [*rows, ("all", np.ones(len(PART_OF_17), bool))]


def _residual_row(before, after, mask) -> list[str]:
    lengths = [100 * np.linalg.norm(error[mask], axis=-1) for error in (before, after)]
    shifts = [
        100 * np.linalg.norm(mirrored_xy(error)[mask].mean(axis=0))
        for error in (before, after)
    ]
    means = [length.mean() for length in lengths]
    medians = [np.median(length) for length in lengths]
    return [str(mask.sum()), *(f"{v:.2f}" for v in (*means, *medians, *shifts))]


def _state_row(straight: Geometry, after: np.ndarray, mask: np.ndarray) -> list[str]:
    cells = []
    for state in range(len(STATES)):
        chosen = (straight.state == state) & mask
        score = straight.score[chosen]
        seen = chosen & (straight.score > MIN_CONFIDENCE)
        error = 100 * np.linalg.norm(after[seen], axis=-1)
        share = chosen.sum() / (len(chosen) * mask.sum())
        if not score.size:
            cells += ["0.00", "-", "-", "-"]
            continue
        missed = np.mean(score <= MIN_CONFIDENCE)
        cells += [f"{share:.2f}", f"{score.mean():.2f}", f"{missed:.2f}"]
        cells.append(f"{error.mean():.1f}" if error.size else "-")
    return cells


def _swap_rows(
    offset: np.ndarray, training: Geometry, held_out: Geometry
) -> list[list[str]]:
    """Returns rates in the views fitted to, and in brackets in those held out."""
    rows = []
    views = training, held_out
    swapped = [exchanged(v, v.expected(offsets_of(offset))) for v in views]
    for low in range(0, 180, 30):
        inside = [
            (v.angle >= np.deg2rad(low)) & (v.angle < np.deg2rad(low + 30))
            for v in views
        ]
        count = [int(mask.sum()) for mask in inside]
        rates = [
            [*s[mask].mean(axis=0), s[mask].any(axis=-1).mean()]
            if mask.any()
            else 4 * [0]
            for s, mask in zip(swapped, inside, strict=True)
        ]
        cells = [f"{a:.3f} ({b:.3f})" for a, b in zip(*rates, strict=True)]
        rows.append(
            [f"{low} to {low + 30} degrees", f"{count[0]} ({count[1]})", *cells]
        )
    return rows
