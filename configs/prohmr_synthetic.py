"""Trains ProHMR on people that it renders itself; nothing is downloaded.

python -m prohmr_jax.main --config configs/prohmr_synthetic.py --workdir runs/synthetic

The run renders people in the open body, trains a ResNet-18 ProHMR on them, evaluates
it on people, poses and backgrounds that it has not seen, and writes `report/index.md`.
It takes about twenty-five minutes on two CPU cores, with the rendering. As the paper's
encoder was trained on ImageNet, this one was trained on other rendered people
(`encoder_synthetic`). In the first steps only the loss of linear readings of the
context reaches it, until the flow has learnt something. With
`--config.encoder_weights=""` it starts from random weights, and learns far less in that
time.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr

_DIRECTORY = "data/datasets/synthetic_humans"


def get_config() -> ConfigDict:
    """Returns the configuration of the default training run."""
    config = prohmr.get_config()
    config.body = "open"
    config.encoder_weights = "shipped"
    config.model.update(
        {
            "encoder": "resnet18",
            "encoder_dtype": "float32",
            "input_size": 96,
            "context_features": 512,
            "flow_hidden": 256,
            "flow_batch_norm": False,
            "flow_dropout": 0.0,
            "flow_affine": True,
            "readout": True,
            "head_hidden": 256,
        }
    )
    config.synthetic.update(
        {"directory": _DIRECTORY, "num_train": 10_000, "num_test": 400,
         "image_size": 144}
    )  # fmt: skip
    config.sources = ConfigDict(
        {"people": {"directory": _DIRECTORY, "split": "train", "weight": 1.0}}
    )
    config.validation = ConfigDict({"directory": _DIRECTORY, "split": "test"})
    config.mocap = ""
    config.num_workers = 0
    config.augmentation.update(
        {"extreme_crop_rate": 0.0, "rotation_deg": 10.0, "scale": 0.15, "color": 0.1}
    )
    config.loss_weights.update(
        {
            "nll": 5e-3,
            "keypoints_2d_exp": 1e-2,
            "keypoints_2d_mode": 0.1,
            "keypoints_3d_mode": 0.1,
            "global_orient_mode": 0.3,
            "body_pose_mode": 0.05,
            "betas_mode": 0.05,
            "adversarial": 5e-4,
            "readout": 1.0,
        }
    )
    config.readout_alone_steps = 200
    config.batch_size = 32
    config.num_steps = 1_800
    config.optimizer.update(
        {
            "learning_rate": 7e-4,
            "encoder_rate_ratio": 0.3,
            "schedule": "cosine",
            "warmup_steps": 100,
            "final_learning_rate_ratio": 0.02,
            "max_gradient_norm": 5.0,
        }
    )
    # The running statistics of batch norms belong to the newest weights, not to an
    # average of them.
    config.average_decay = 0.0
    config.log_every = 20
    config.checkpoint_every = 200
    config.evaluation.update({"every": 200, "num_people": 400})
    return config
