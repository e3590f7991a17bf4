"""Fits the Gaussian mixture over poses that ships as the pose prior.

Needs scikit-learn, which only this fit uses.
"""

import dataclasses
import warnings
from collections.abc import Sequence

import numpy as np

from prohmr_jax.poses.build_bank import widen
from prohmr_jax.poses.kinematics import split_heading, to_rotmat
from prohmr_jax.poses.mocap.clips import Clip
from prohmr_jax.poses.mocap.splits import action_of
from prohmr_jax.skeleton import SMPL_24

# A deviation of 2.5 degrees in every direction: noise of the capture, and what keeps
# directions that poses never use (the swing's y) from having no width at all.
_LEAST_VARIANCE = np.deg2rad(2.5) ** 2
_VALIDATE_EVERY = 4
_NUM_ITERATIONS = 25


@dataclasses.dataclass(frozen=True)
class Mixture:
    """M Gaussians over the 72 numbers of `pose_vectors`, in float64."""

    weights: np.ndarray
    """[M], sum 1."""
    means: np.ndarray
    """[M, 72]"""
    covariances: np.ndarray
    """[M, 72, 72]"""

    def mean_log_likelihood(self, vectors: np.ndarray) -> float:
        """Returns the mean log density of vectors [N, 72], nats."""
        densities = np.empty((len(vectors), len(self.weights)))
        for m, covariance in enumerate(self.covariances):
            triangle = np.linalg.cholesky(covariance)
            white = np.linalg.solve(triangle, (vectors - self.means[m]).T)
            densities[:, m] = (
                np.log(self.weights[m])
                - 0.5 * np.sum(white**2, axis=0)
                - np.sum(np.log(np.diagonal(triangle)))
                - 0.5 * vectors.shape[1] * np.log(2 * np.pi)
            )
        return float(np.logaddexp.reduce(densities, axis=1).mean())


def pose_vectors(axis_angle: np.ndarray) -> np.ndarray:
    """Returns [N, 72] of poses [N, 24, 3]: body axis-angles, then the root's swing."""
    root = SMPL_24.index("pelvis")
    _, swing = split_heading(to_rotmat(axis_angle[:, root].astype(np.float64)))
    body = np.delete(axis_angle, root, axis=1).reshape(len(axis_angle), -1)
    return np.concatenate([body, swing], axis=1)


def fit_mixture(vectors: np.ndarray, num_components: int, seed: int) -> Mixture:
    """Returns a mixture fitted to vectors [N, 72] by expectation maximisation."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import GaussianMixture

    fitted = GaussianMixture(
        num_components,
        covariance_type="full",
        reg_covar=_LEAST_VARIANCE,
        max_iter=_NUM_ITERATIONS,
        tol=1e-2,
        random_state=seed,
    )
    with warnings.catch_warnings():
        # Stopping before the last digit is meant: the gain is in the first steps.
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted.fit(vectors.astype(np.float32))
    return Mixture(
        fitted.weights_.astype(np.float64),
        fitted.means_.astype(np.float64),
        fitted.covariances_.astype(np.float64),
    )


def choose_num_components(
    clips: Sequence[Clip], candidates: Sequence[int], num_poses: int, seed: int
) -> dict[int, float]:
    """Returns the mean log-likelihood of unseen training clips by number of Gaussians.

    Every fourth training clip of an action validates; the others are widened and
    fitted. Clips held out for tests take no part.

    Args:
      clips: the training clips.
      candidates: numbers of Gaussians to try.
      num_poses: to widen to.
      seed: of everything that is drawn.
    """
    fitting, validating = split_for_validation(clips)
    vectors = pose_vectors(widen(fitting, num_poses, seed).axis_angle)
    unseen = pose_vectors(np.concatenate([clip.axis_angle for clip in validating]))
    return {
        count: fit_mixture(vectors, count, seed).mean_log_likelihood(unseen)
        for count in candidates
    }


def split_for_validation(
    clips: Sequence[Clip],
) -> tuple[tuple[Clip, ...], tuple[Clip, ...]]:
    """Returns clips to fit and clips to validate, every fourth of each action."""
    fitting, validating = [], []
    count_of: dict[str, int] = {}
    for clip in clips:
        action = action_of(clip.name)
        count_of[action] = count_of.get(action, 0) + 1
        chosen = validating if count_of[action] % _VALIDATE_EVERY == 0 else fitting
        chosen.append(clip)
    return tuple(fitting), tuple(validating)
