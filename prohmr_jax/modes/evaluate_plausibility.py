"""Runs "evaluate_plausibility": how many good and wrong people are called implausible.

The people are poses of held-out clips. Good people are seen with the noise of a
detector; the others have keypoints or cameras that are wrong in a known way. The limits
in `configs/demo.py`, `configs/fit.py` and `configs/multiview.py` were chosen by this
mode (docs/plausibility.md).
"""

import dataclasses
import logging
from collections.abc import Mapping

import ml_collections
import numpy as np

from prohmr_jax.evaluation.keypoint_errors import CONDITIONS
from prohmr_jax.evaluation.planted_failures import (
    CAMERA_FAULTS,
    KEYPOINT_FAULTS,
    VIEW_FAULTS,
)
from prohmr_jax.evaluation.plausibility_errors import (
    CALIBRATED,
    FIT,
    FUSION,
    JOINT,
    PREDICTION,
    Study,
    measure_one_view,
    measure_several_views,
)
from prohmr_jax.files import markdown
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.inference.plausibility import Limits, Measures, judge
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.modes.config_checks import require_least, require_words
from prohmr_jax.modes.evaluate_fitting import spread_people
from prohmr_jax.modes.plausible_limits import read_limits
from prohmr_jax.poses.bank import read_held_out_clips

_LOG = logging.getLogger(__name__)
_LEAST = {
    "people_per_split": 1,
    "people_in_views": 2,
    "people_per_fault": 2,
    "views": 2,
    "batch_size": 2,
}
_SHOWN = {
    "reprojection_percent": "error / box, %",
    "log_density": "log-density",
    "largest_beta": "largest shape coefficient",
    "stature_m": "stature, m",
    "box_m": "box, m",
}
# The limits of each method, which are a key of `config.plausible`.
_LIMITS = {
    PREDICTION: "demo",
    FIT: "fit",
    CALIBRATED: "joint",
    JOINT: "joint",
    FUSION: "fusion",
}


@dataclasses.dataclass(frozen=True)
class PlausibilityReport:
    """Holds which people are implausible, for each method, bool [P]."""

    good: dict[str, np.ndarray]
    """Good people by method, who should be plausible."""
    wrong: dict[str, dict[str, np.ndarray]]
    """People with planted failures, by failure and method."""
    ranges: dict[str, dict[str, tuple[float, float]]]
    """Least and greatest value of each measure of good people, by method."""
    heading: str
    """What was measured."""

    def text(self) -> str:
        """Returns the report as a page of Markdown."""
        methods = [method for method in _LIMITS if method in self.good]
        ranges = [
            [
                method,
                _count(self.good[method]),
                *(
                    f"{low:.1f} to {high:.1f}"
                    for low, high in (self.ranges[method][name] for name in _SHOWN)
                ),
            ]
            for method in methods
        ]
        failures = [
            [fault, *(_count(wrong[m]) if m in wrong else "-" for m in methods)]
            for fault, wrong in self.wrong.items()
        ]
        blocks = [
            self.heading,
            "## Good people: who is implausible, and the range of what is measured",
            markdown.table(["method", "implausible", *_SHOWN.values()], ranges),
            "## Planted failures: who is implausible",
            markdown.table(["failure", *methods], failures),
        ]
        return "\n\n".join(blocks) + "\n"


def _count(implausible: np.ndarray) -> str:
    return f"{implausible.sum()} of {len(implausible)}"


def implausible_people(measures: Measures, limits: Limits) -> np.ndarray:
    """Returns who is implausible in at least one view, bool [P].

    Args:
      measures: measures of people in one picture [P], or in several views [P, N].
      limits: the limits.
    """
    implausible = ~judge(measures, limits).plausible
    return implausible.reshape(len(implausible), -1).any(axis=1)


def _spread(poses: np.ndarray, number: int) -> np.ndarray:
    """Returns `number` of the poses, evenly spaced; all of them if they are fewer."""
    chosen = np.linspace(0, len(poses) - 1, min(number, len(poses)))
    return poses[chosen.astype(int)]


def ranges_of(measures: Measures) -> dict[str, tuple[float, float]]:
    """Returns the least and the greatest value of each measure.

    Args:
      measures: measures of any number of bodies.
    """
    return {
        name: (float(np.nanmin(values)), float(np.nanmax(values)))
        for name, values in vars(measures).items()
    }


def run(config: ml_collections.ConfigDict) -> PlausibilityReport:
    """Measures good and wrong people; prints, writes and returns the report.

    Args:
      config: see `configs/evaluate_plausibility.py`.

    Raises:
      InputError: the config, weights, body or clips cannot be used, or the report not
        be written.
    """
    require_words(config, {"condition": tuple(CONDITIONS)})
    require_least(config, _LEAST)
    limits = {
        method: read_limits(config.plausible[key], f"plausible.{key}")
        for method, key in _LIMITS.items()
    }
    labels, poses = spread_people(
        read_held_out_clips(config.held_out), config.people_per_split
    )
    in_views = _spread(poses, config.people_in_views)
    in_faults = _spread(poses, config.people_per_fault)
    loaded = load_reconstructor(
        config.checkpoint, config.body, seed=config.seed, num_hypotheses=1,
        num_meshes=0, focal_length_px=0.0,
    )  # fmt: skip
    study = Study(
        loaded.model,
        loaded.body,
        CONDITIONS[config.condition],
        config.views,
        config.batch_size,
        config.seed,
    )

    def judged(measures: Mapping[str, Measures]) -> dict[str, np.ndarray]:
        return {m: implausible_people(v, limits[m]) for m, v in measures.items()}

    _LOG.info("measuring %d good people", len(poses))
    good = measure_one_view(study, poses)
    _LOG.info("measuring %d of them in several views", len(in_views))
    good |= measure_several_views(study, in_views)
    wrong = {}
    for name, fault in KEYPOINT_FAULTS.items():
        _LOG.info("planting: %s", name)
        wrong[name] = judged(measure_one_view(study, in_faults, fault))
    for faults, methods in (
        (VIEW_FAULTS, (CALIBRATED, JOINT, FUSION)), (CAMERA_FAULTS, (CALIBRATED,))
    ):  # fmt: skip
        for name, fault in faults.items():
            _LOG.info("planting: %s", name)
            measures = measure_several_views(study, in_faults, fault, methods)
            wrong[name] = judged(measures)
    splits = sorted({split.value for split, _ in labels})
    report = PlausibilityReport(
        good=judged(good),
        wrong=wrong,
        ranges={method: ranges_of(measures) for method, measures in good.items()},
        heading=f"{len(poses)} good people of {', '.join(splits)}, "
        f"{config.condition} keypoints, {len(in_views)} of them in {config.views} "
        f"views; {len(in_faults)} people for each failure; body `{config.body}`, "
        f"seed {config.seed}.",
    )
    text = report.text()
    if config.output:
        write_atomically(config.output, lambda stream: stream.write(text.encode()))
        _LOG.info("wrote %s", config.output)
    print(text)
    return report
