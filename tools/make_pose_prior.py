"""Fits the pose prior that ships, from captured clips (needs scikit-learn).

  python tools/make_pose_prior.py --capture cmu_mocap_expmap.npz cmu_asfamc \
      --output prohmr_jax/assets/pose_prior.npz

The number of Gaussians is the one under which training clips left out of a first fit
are most likely; then all training clips are fitted. Test clips take no part.
"""

import argparse
import sys

import jax.numpy as jnp
import numpy as np

from prohmr_jax.errors import InputError
from prohmr_jax.poses.build_bank import widen
from prohmr_jax.poses.fit_prior import (
    choose_num_components,
    fit_mixture,
    pose_vectors,
)
from prohmr_jax.poses.mocap.training_clips import training_clips
from prohmr_jax.priors.gaussian_mixture import PosePrior, save_pose_prior


def main(arguments: list[str] | None = None) -> int:
    """Writes the prior; returns 0, or 2 for input that cannot be used."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--capture", nargs="+", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--components", type=int, nargs="+", default=[48, 64, 96])
    parser.add_argument("--num_poses", type=int, default=60_000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    try:
        clips = training_clips(args.capture)
        count = args.components[0]
        if len(args.components) > 1:
            scores = choose_num_components(
                clips, args.components, args.num_poses // 2, args.seed
            )
            count = max(scores, key=scores.get)
            for number, score in scores.items():
                print(f"{number} Gaussians: {score:.2f} nats per frame", flush=True)
        bank = widen(clips, args.num_poses, args.seed)
        mixture = fit_mixture(pose_vectors(bank.axis_angle), count, args.seed)
        prior = PosePrior(
            jnp.asarray(np.log(mixture.weights)),
            jnp.asarray(mixture.means),
            jnp.asarray(np.linalg.cholesky(mixture.covariances)),
        )
        save_pose_prior(args.output, prior)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {count} Gaussians of {len(bank)} poses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
