"""Puts results of the demo on a page; the demo calls it for each person."""

import math

import numpy as np

from prohmr_jax.geometry.boxes import MIN_CONFIDENCE
from prohmr_jax.inference.results import PersonResult
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.viewer.page import MAX_BODIES, PageJoint, PagePerson, jpeg


def page_person(
    name: str,
    result: PersonResult,
    meshes: np.ndarray,
    sheet: np.ndarray | None,
) -> PagePerson:
    """Returns what a page shows of a result.

    Args:
      name: name of the person.
      result: result of the person.
      meshes: vertices [M, V, 3] of the first hypotheses, metres, in the frame of
        `result.joints`, the mode first.
      sheet: sheet of the person [h, w, 3] uint8; None if none was drawn.
    """
    meshes = meshes[:MAX_BODIES]
    below = result.log_prob - result.log_prob[0]
    labels = ["mode, the likeliest pose"] + [
        f"sample {number} of {len(below) - 1}, log-density {below[number]:+.0f}"
        for number in range(1, len(meshes))
    ]
    error = 100 * result.reprojection_error(MIN_CONFIDENCE)
    seen = result.seen(MIN_CONFIDENCE)
    facts = (
        ("keypoints seen", f"{seen.sum()} of {len(seen)}"),
        ("error / box", "-" if math.isnan(error) else f"{error:.1f} %"),
        ("spread, mean", f"{1e3 * float(result.joint_spread.mean()):.0f} mm"),
        *(
            (what, f"{float(value):.2f} m")
            for what, value in (
                ("stature", result.stature_m),
                ("distance", result.distance_m),
            )
            if value is not None
        ),
        ("weights", result.provenance.weights),
        ("body", result.provenance.body),
    )
    joints = zip(
        BODY_25.names,
        np.where(seen, result.keypoint_confidence, 0.0).tolist(),
        result.joint_spread.tolist(),  # Ends with joints of other sets.
        strict=False,
    )
    reason = None if result.plausible is None else str(result.implausible_reason or "")
    return PagePerson(
        name=name,
        verdict=reason,
        facts=facts,
        labels=tuple(labels),
        bodies=meshes,
        faces=result.faces,
        vertex_spread=result.vertex_spread,
        joints=tuple(
            PageJoint(joint.replace("_", " "), confidence, spread)
            for joint, confidence, spread in joints
        ),
        pictures=() if sheet is None else (("the sheet of hypotheses", jpeg(sheet)),),
    )
