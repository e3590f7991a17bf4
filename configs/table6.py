"""Measures lifting of skeletons: the flow, one answer, and the mixture (Table 6).

python -m prohmr_jax.main --config configs/table6.py --workdir runs/table6 \
    --config.training.pose_bank=poses.npz --config.held_out=heldout.npz

Every model is trained with the same pairs, steps and encoder, then measured on the
held-out clips. A command that was stopped goes on where it was, and a model that is
trained is not trained again. `--config.models.flow.lifter=weights.npz` measures given
weights instead. `--config.dataset=data/datasets/h36m` measures Human3.6M as well.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import lift_skeletons


def get_config() -> ConfigDict:
    """Returns the configuration of the table in docs/lifting.md."""
    config = ConfigDict()
    config.mode = "evaluate_lifting"
    config.seed = 0
    config.training = lift_skeletons.get_config()
    # Name -> weights that exist (a file or a folder; empty: the model is trained), and
    # what its training changes in `training`.
    config.models = ConfigDict(
        {
            "point": {
                "lifter": "",
                "training": {
                    "model": {"head": "point"},
                    "loss_weights": {"nll": 0.0},
                },
            },
            "mixture": {
                "lifter": "",
                "training": {
                    "model": {"head": "mixture"},
                    "loss_weights": {"keypoints_3d_mode": 0.0},
                },
            },
            "flow": {"lifter": "", "training": {"model": {"head": "flow"}}},
            # Couplings that scale as well, unlike the paper's.
            "flow_affine": {
                "lifter": "",
                "training": {"model": {"flow_affine": True}},
            },
        }
    )
    # Clips that training never saw; empty where a dataset alone is measured.
    config.held_out = "heldout.npz"
    config.frame_step = 20
    config.views = 4
    # Dataset that tools/make_dataset.py wrote, such as Human3.6M; empty for none.
    config.dataset = ""
    config.split = "test"
    config.batch_size = 64
    return config
