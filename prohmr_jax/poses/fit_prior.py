"""Fits the Gaussian mixture over poses that ships as the pose prior.

`tools/make_pose_prior.py` calls it. It needs scikit-learn, which nothing else in the
package uses and which is therefore imported only when a fit starts.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float

from prohmr_jax.poses.build_bank import build_pose_bank
from prohmr_jax.poses.kinematics import split_heading, to_rotmat
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import action_of
from prohmr_jax.skeleton import SMPL_24

if TYPE_CHECKING:
    from sklearn.mixture import GaussianMixture

# A standard deviation of 2.5 degrees in every direction stands for the noise of the
# capture. It also gives a width to directions in which poses never differ, such as the
# y component of the root's swing.
_LEAST_VARIANCE = np.deg2rad(2.5) ** 2
_VALIDATE_EVERY = 4
_NUM_ITERATIONS = 25


def pose_vectors(axis_angle: Float[np.ndarray, "N 24 3"]) -> Float[np.ndarray, "N 72"]:
    """Returns the vectors [N, 72] over which the prior is a density.

    A vector holds the axis-angles of the 23 body joints (69 numbers), then the swing of
    the root: its rotation without the turn about the vertical (`split_heading`).

    Args:
      axis_angle: poses [N, 24, 3], radians; the root is relative to a world with Y up.
    """
    root = SMPL_24.index("pelvis")
    _, swing = split_heading(to_rotmat(axis_angle[:, root].astype(np.float64)))
    body = np.delete(axis_angle, root, axis=1).reshape(len(axis_angle), -1)
    return np.concatenate([body, swing], axis=1)


def fit_mixture(
    vectors: Float[np.ndarray, "N D"], num_components: int, seed: int
) -> "GaussianMixture":
    """Returns scikit-learn's mixture of Gaussians, fitted by expectation maximisation.

    Args:
      vectors: [N, D], for the pose prior those of `pose_vectors`.
      num_components: number of Gaussians.
      seed: seed of the initial clustering.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    mixture = GaussianMixture(
        num_components,
        covariance_type="full",
        reg_covar=_LEAST_VARIANCE,
        max_iter=_NUM_ITERATIONS,
        tol=1e-2,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # The fit stops early on purpose: nearly all of the gain is in the first steps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return mixture.fit(vectors.astype(np.float32))


def choose_num_components(
    clips: Sequence[Clip], candidates: Sequence[int], num_poses: int, seed: int
) -> dict[int, float]:
    """Scores numbers of Gaussians by the likelihood of clips left out of the fit.

    Every fourth training clip of an action is left out; a mixture is fitted to a bank
    that is built from the others. Clips held out for tests take no part.

    Args:
      clips: the training clips.
      candidates: numbers of Gaussians to try.
      num_poses: size of the bank of poses to fit.
      seed: seed of the bank and of the fits.

    Returns:
      The mean log-density of the frames left out, in nats, by number of Gaussians.
    """
    fitting, validating = split_for_validation(clips)
    vectors = pose_vectors(build_pose_bank(fitting, num_poses, seed).axis_angle)
    unseen = pose_vectors(np.concatenate([clip.axis_angle for clip in validating]))
    return {
        count: float(fit_mixture(vectors, count, seed).score(unseen))
        for count in candidates
    }


def split_for_validation(
    clips: Sequence[Clip],
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Returns clips to fit, and clips to validate, every fourth of an action."""
    fitting, validating = [], []
    count_of: dict[str, int] = {}
    for clip in clips:
        action = action_of(clip.name)
        count_of[action] = count_of.get(action, 0) + 1
        chosen = validating if count_of[action] % _VALIDATE_EVERY == 0 else fitting
        chosen.append(clip)
    return tuple(fitting), tuple(validating)
