"""Trains ProHMR on 2D keypoints so that its distributions can be believed.

python -m prohmr_jax.main --config configs/prohmr_keypoints.py --workdir runs/lifting

Beside the likelihood and the losses of the mode (Kolotouros et al., ICCV 2021, Eqs. 5,
6 and 8), samples are trained by the energy score, a proper scoring rule, in place of
the expected 2D loss (Eq. 7), which is least where all samples are alike.
`configs/prohmr_keypoints_paper.py` has the paper's own form.

Poses come from the prior that ships, or from a bank of poses as well
(`tools/make_pose_bank.py`, `--config.pose_bank=bank.npz`). With
`--config.body=SMPL_NEUTRAL.pkl` the same command trains a model of SMPL.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the shipped weights."""
    config = ConfigDict()
    config.mode = "train_keypoints"
    config.seed = 0
    config.body = "open"
    config.pose_bank = ""
    config.pose_prior = ""
    config.prior_fraction = 0.2
    # Weights of a model of the same sizes from which the training goes on: a weights
    # file or a training directory; empty for a new model.
    config.weights = ""

    config.model = ConfigDict(
        {
            "encoder_width": 512,
            "encoder_blocks": 3,
            "context_features": 256,
            "flow_layers": 4,
            "flow_blocks": 2,
            "flow_hidden": 256,
            "flow_batch_norm": False,
            "flow_dropout": 0.0,
            "flow_affine": True,
            "head_hidden": 256,
            "num_betas": 10,
            "mean_camera": (0.9, 0.0, 0.0),
        }
    )
    config.synthesis = ConfigDict(
        {
            "betas_std": 1.0,
            "min_distance": 2.0,
            "max_distance": 20.0,
            "pitch_std_deg": 18.0,
            "roll_std_deg": 9.0,
            "max_off_axis": 0.15,
            "perfect_rate": 0.25,
            "max_jitter": 0.7,
            "plain_confidence_rate": 0.5,
            "outlier_rate": 0.02,
            "swap_rate": 0.03,
            "dropout_rate": 0.25,
            "max_dropout": 0.4,
            "group_rate": 0.4,
            "truncation_rate": 0.2,
            "occluder_rate": 0.12,
            "no_feet_rate": 0.15,
            "min_visible": 4,
            # Shares of people whose detections are those of the detector that ships,
            # as measured, or marks of annotators; the others have guessed faults.
            "movenet_rate": 0.3,
            "movenet_sharpness": 0.0,
            "annotator_rate": 0.1,
            "annotator_jitter": 0.1,
        }
    )
    config.loss_weights = ConfigDict(
        {
            "nll": 0.02,
            "keypoints_2d_exp": 0.0,
            "keypoints_2d_mode": 0.1,
            "keypoints_3d_exp": 0.0,
            "keypoints_3d_mode": 0.05,
            "global_orient_mode": 0.01,
            "body_pose_mode": 0.01,
            "betas_mode": 0.01,
            "orthogonal": 0.05,
            # Energy scores of the samples, which take two samples or more.
            "energy_3d": 0.2,
            "energy_2d": 0.3,
        }
    )
    config.num_samples = 2
    config.label_noise = 0.005
    config.unseen_weight = 0.3

    config.batch_size = 256
    config.num_steps = 20_000
    config.learning_rate = 1e-3
    config.final_learning_rate_ratio = 0.01
    config.warmup_steps = 500
    config.weight_decay = 1e-4
    config.max_gradient_norm = 5.0
    config.average_decay = 0.999
    config.log_every = 100
    config.checkpoint_every = 1_000
    return config
