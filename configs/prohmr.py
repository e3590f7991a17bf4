"""Trains ProHMR on images as in the paper (Kolotouros et al., ICCV 2021, Sec. 4.1).

python -m prohmr_jax.main --config configs/prohmr.py --workdir runs/prohmr

Every hyperparameter is that of the official release. The run needs the SMPL body, an
ImageNet ResNet-50 (`tools/convert_checkpoint.py`) and the datasets (docs/datasets.md).
The paper reports a PA-MPJPE of 59.8 mm on 3DPW and of 41.2 mm on Human3.6M (P2), and of
67.4 and 54.8 mm without the losses of the mode (`--config.mode_loss=False`, Table 5).
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    """Returns the configuration of the paper."""
    config = ConfigDict()
    config.mode = "train_images"
    config.seed = 0
    config.body = "data/smpl"
    # Weights of a whole model from which the training goes on, such as the converted
    # official one, with its discriminator; empty for a new model.
    config.weights = ""
    # Weights of the encoder of a new model: a path; "shipped" for the ResNet-18 that
    # `encoder_synthetic` trained; empty for random weights.
    config.encoder_weights = "data/resnet50_imagenet"

    config.model = ConfigDict(
        {
            "encoder": "resnet50",
            "encoder_dtype": "bfloat16",
            "input_size": 224,
            "context_features": 2048,
            "flow_layers": 4,
            "flow_blocks": 2,
            "flow_hidden": 1024,
            "flow_batch_norm": True,
            "flow_dropout": 0.5,
            "flow_affine": False,
            "readout": False,
            "head_hidden": 1024,
            "num_betas": 10,
            "mean_camera": (0.9, 0.0, 0.0),
        }
    )

    # Datasets, as `tools/make_dataset.py` writes them, which are mixed by weight.
    source = lambda name, weight: ConfigDict(  # noqa: E731
        {"directory": f"data/datasets/{name}", "split": "train", "weight": weight}
    )
    config.sources = ConfigDict(
        {
            "h36m": source("h36m_train", 0.3),
            "mpii": source("mpii_train", 0.1),
            "coco": source("coco_train_2014", 0.4),
            "mpi_inf": source("mpi_inf_train", 0.2),
        }
    )
    # Captured poses for the discriminator, `.npz`; empty for draws of the prior that
    # ships.
    config.mocap = "data/cmu_mocap.npz"
    config.validation = ConfigDict(
        {"directory": "data/datasets/h36m_val_p2", "split": "test"}
    )
    # Dataset of rendered people, which is made where it is missing; no directory, no
    # dataset.
    config.synthetic = ConfigDict(
        {
            "directory": "",
            "num_train": 0,
            "num_test": 0,
            "views": 4,
            "image_size": 192,
            "seed": 0,
            "workers": 2,
        }
    )
    config.augmentation = ConfigDict(
        {
            "translation": 0.02,
            "scale": 0.3,
            "rotation_deg": 30.0,
            "rotation_rate": 0.6,
            "flip_rate": 0.5,
            "extreme_crop_rate": 0.1,
            "color": 0.2,
        }
    )
    # Smaller crops for the first steps: in the same time a network from scratch learns
    # more from them.
    config.coarse = ConfigDict({"input_size": 112, "num_steps": 0})
    config.num_workers = 8

    config.loss_weights = ConfigDict(
        {
            "nll": 1e-3,
            "keypoints_2d_exp": 1e-3,
            "keypoints_2d_mode": 1e-2,
            "keypoints_3d_exp": 0.0,
            "keypoints_3d_mode": 5e-2,
            "global_orient_exp": 0.0,
            "global_orient_mode": 1e-3,
            "body_pose_exp": 0.0,
            "body_pose_mode": 1e-3,
            "betas_exp": 0.0,
            "betas_mode": 5e-4,
            "orthogonal": 0.1,
            "adversarial": 5e-4,
            "energy_3d": 0.0,
            "energy_2d": 0.0,
            "readout": 0.0,
        }
    )
    # Number of first steps in which the loss of linear readings of the context
    # (`model.readout`) alone reaches the encoder; for encoders from scratch.
    config.readout_alone_steps = 0
    # Whether the mode has losses; without them it is the paper's ablation.
    config.mode_loss = True
    # Number of bodies per person: the mode, and samples that stand for the expectation.
    config.num_hypotheses = 2
    config.label_noise = 0.005

    config.batch_size = 64
    config.num_steps = 500_000
    config.optimizer = ConfigDict(
        {
            "learning_rate": 1e-4,
            "muon_learning_rate": 0.0,
            "encoder_rate_ratio": 1.0,
            "weight_decay": 1e-4,
            "schedule": "constant",
            "warmup_steps": 0,
            "final_learning_rate_ratio": 1.0,
            "max_gradient_norm": 0.0,
            "accumulate_steps": 1,
        }
    )
    # Decay of the parameters' running average, which is what is evaluated; 0 for no
    # average.
    config.average_decay = 0.0

    config.log_every = 100
    config.checkpoint_every = 10_000
    config.evaluation = ConfigDict(
        {
            "every": 10_000,
            "num_people": 512,
            "batch_size": 32,
            "num_samples": 24,
            "num_pictures": 6,
        }
    )
    return config
