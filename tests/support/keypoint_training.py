"""Keypoint models of a tiny size, and the config that trains one."""

from configs.prohmr_keypoints import get_config
from prohmr_jax.models.spec import ModelSpec

TINY = {
    "encoder_width": 16,
    "encoder_blocks": 1,
    "context_features": 8,
    "flow_layers": 2,
    "flow_blocks": 1,
    "flow_hidden": 16,
    "head_hidden": 8,
}


def tiny_config(num_steps=4):
    config = get_config()
    config.model.update(TINY)
    config.batch_size = 8
    config.num_steps = num_steps
    config.warmup_steps = 1
    config.log_every = 2
    config.checkpoint_every = 2
    return config.lock()


REGRESSOR = ModelSpec(**TINY, flow_batch_norm=False, deterministic=True)
"""The spec of the deterministic twin."""
