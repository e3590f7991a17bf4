"""Fits the pose prior that ships to captured clips; it needs scikit-learn.

  python tools/make_pose_prior.py --capture cmu_mocap_expmap.npz cmu_asfamc \
      --output prohmr_jax/assets/pose_prior.npz

Of several numbers of Gaussians, the one is chosen under which training clips left out
of a first fit are most likely. Then all training clips are fitted. Clips that are held
out for tests take no part.
"""

import argparse
import sys

import jax.numpy as jnp
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import require_writable_file
from prohmr_jax.poses.build_bank import build_pose_bank
from prohmr_jax.poses.fit_prior import (
    choose_num_components,
    fit_mixture,
    pose_vectors,
)
from prohmr_jax.poses.mocap.training_clips import training_clips
from prohmr_jax.priors.gaussian_mixture import PosePrior, save_pose_prior


def main(arguments: list[str] | None = None) -> int:
    """Fits and writes the prior.

    Args:
      arguments: the command line without the program's name; None for the real one.

    Returns:
      The exit code: 0, or 2 if a file cannot be used.
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--capture", nargs="+", required=True, help="prepared .npz files and folders"
    )
    parser.add_argument("--output", required=True, help="prior to write, .npz")
    parser.add_argument(
        "--components", type=int, nargs="+", default=[48, 64, 96],
        help="numbers of Gaussians to choose from",
    )  # fmt: skip
    parser.add_argument(
        "--num_poses", type=int, default=60_000, help="number of poses to fit"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of poses and fit")
    args = parser.parse_args(arguments)
    try:
        require_writable_file(args.output)
        clips = training_clips(args.capture)
        count = args.components[0]
        if len(args.components) > 1:
            scores = choose_num_components(
                clips, args.components, args.num_poses // 2, args.seed
            )
            count = max(scores, key=scores.get)
            for number, score in scores.items():
                print(f"{number} Gaussians: {score:.2f} nats per frame", flush=True)
        bank = build_pose_bank(clips, args.num_poses, args.seed)
        mixture = fit_mixture(pose_vectors(bank.axis_angle), count, args.seed)
        covariances = mixture.covariances_.astype(np.float64)
        prior = PosePrior(
            jnp.asarray(np.log(mixture.weights_.astype(np.float64))),
            jnp.asarray(mixture.means_.astype(np.float64)),
            jnp.asarray(np.linalg.cholesky(covariances)),
        )
        save_pose_prior(args.output, prior)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {count} Gaussians of {len(bank)} poses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
