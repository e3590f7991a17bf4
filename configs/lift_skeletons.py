"""Trains a model that lifts 2D skeletons to 3D: Section 3.6 of the paper.

python -m prohmr_jax.main --config configs/lift_skeletons.py \
    --workdir runs/skeletons --config.pose_bank=poses.npz

Joints are Human3.6M's: 17 in the picture, 16 relative to the pelvis in space. Poses
come from a bank (`tools/make_pose_bank.py`), or from the prior that ships; cameras,
shapes and the faults of detections are random. `--config.model.head=point` trains the
deterministic twin (with `--config.loss_weights.nll=0`), `--config.model.head=mixture`
the mixture density network of Li and Lee, and `configs/table6.py` all three.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the flow in docs/lifting.md."""
    config = ConfigDict()
    config.mode = "train_lifter"
    config.seed = 0
    config.body = "open"
    config.pose_bank = ""
    config.pose_prior = ""
    config.prior_fraction = 0.2

    # The sizes of the paper are those of `LifterSpec`. These are smaller, and no unit
    # is dropped: the pairs never repeat, so that there is nothing to overfit to.
    config.model = ConfigDict(
        {
            "head": "flow",
            "encoder_width": 512,
            "encoder_blocks": 2,
            "encoder_dropout": 0.0,
            "context_features": 256,
            "flow_layers": 4,
            "flow_blocks": 2,
            "flow_hidden": 256,
            "flow_batch_norm": False,
            "flow_dropout": 0.0,
            "flow_affine": False,
            "num_kernels": 5,
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
            "outlier_rate": 0.02,
            "swap_rate": 0.03,
        }
    )
    # The official code weighs the likelihood by 1e-3, in a training of many hours.
    config.loss_weights = ConfigDict({"nll": 0.05, "keypoints_3d_mode": 1.0})

    config.batch_size = 128
    config.num_steps = 5_000
    config.learning_rate = 1e-3
    config.final_learning_rate_ratio = 0.01
    config.warmup_steps = 200
    config.weight_decay = 1e-4
    config.max_gradient_norm = 5.0
    config.average_decay = 0.999
    config.log_every = 100
    config.checkpoint_every = 500
    return config
