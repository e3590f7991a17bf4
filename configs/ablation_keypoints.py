"""Takes the training recipe apart: couplings and losses, each with several seeds.

python -m prohmr_jax.main --config configs/ablation_keypoints.py \
    --workdir runs/ablation --config.training.pose_bank=poses.npz \
    --config.evaluation.held_out=heldout.npz

Every recipe is trained with the same number of steps, pairs, sizes and learning rate,
then measured on the held-out clips. A command that was stopped goes on where it was.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import evaluate_keypoints, prohmr_keypoints

# The likelihood alone leaves the camera and the shape without a loss; small losses of
# the mode, for these two, stay.
_LIKELIHOOD_ALONE = {
    "nll": 0.02,
    "keypoints_2d_exp": 0.0,
    "keypoints_2d_mode": 0.01,
    "keypoints_3d_mode": 0.0,
    "global_orient_mode": 0.0,
    "body_pose_mode": 0.0,
    "betas_mode": 0.01,
    "orthogonal": 0.0,
    "energy_3d": 0.0,
    "energy_2d": 0.0,
}
_PAPER = {
    "nll": 5e-3,
    "keypoints_2d_exp": 0.1,
    "energy_3d": 0.0,
    "energy_2d": 0.0,
}


def get_config() -> ConfigDict:
    """Returns the configuration of the table in docs/ablation.md."""
    config = ConfigDict()
    config.mode = "ablate_keypoints"
    config.training = prohmr_keypoints.get_config()
    config.training.num_steps = 5_000
    config.training.warmup_steps = 200
    config.evaluation = evaluate_keypoints.get_config()
    config.seeds = (0, 1, 2)
    # Name -> what differs from `training`.
    config.recipes = ConfigDict(
        {
            "additive_paper": {
                "model": {"flow_affine": False},
                "loss_weights": _PAPER,
                "num_samples": 1,
            },
            "additive_likelihood": {
                "model": {"flow_affine": False},
                "loss_weights": _LIKELIHOOD_ALONE,
                "num_samples": 0,
            },
            "affine_paper": {"loss_weights": _PAPER, "num_samples": 1},
            # Table 5 of the paper: without the losses of the mode.
            "affine_paper_without_mode_loss": {
                "loss_weights": _PAPER
                | {
                    "keypoints_2d_mode": 0.0,
                    "keypoints_3d_mode": 0.0,
                    "global_orient_mode": 0.0,
                    "body_pose_mode": 0.0,
                },
                "num_samples": 1,
            },
            "affine_likelihood": {
                "loss_weights": _LIKELIHOOD_ALONE,
                "num_samples": 0,
            },
            "shipped": {},
        }
    )
    return config
