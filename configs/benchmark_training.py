"""Times training on photos: step, encoder, input pipeline, devices, compilation.

python -m prohmr_jax.main --config configs/benchmark_training.py

The sizes are the paper's (ResNet-50, 224 px), in float32 as the official code trains.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr


def get_config() -> ConfigDict:
    """Returns the configuration at the paper's sizes."""
    paper = prohmr.get_config()
    config = ConfigDict()
    config.mode = "benchmark_training"
    # Any body file; training reads its joints alone.
    config.body = "open"
    config.model = paper.model
    config.model.encoder_dtype = "float32"
    config.loss_weights = paper.loss_weights
    config.samples_per_image = paper.samples_per_image
    config.batch_size = 8
    config.encoder_batch_size = 16
    config.rounds = 7

    # Photos of 640 x 480 and crops of 256, read with so many worker processes.
    config.pipeline = ConfigDict(
        {"photos": 256, "batch_size": 32, "num_batches": 64, "workers": (0, 1, 2)}
    )
    # One global batch on more and more devices that share the cores: all that grows
    # is overhead. A smaller model, so that as many copies of it fit into memory.
    config.devices = ConfigDict(
        {
            "counts": (1, 2, 4, 8),
            "encoder": "resnet18",
            "context_features": 512,
            "flow_hidden": 256,
            "input_size": 96,
            "batch_size": 16,
        }
    )
    # Devices for which the full-size step is compiled, not run.
    config.compiled_devices = 2
    config.output = ""
    return config
