"""Times training on photos: step, encoder, input pipeline, devices, compilation.

python -m prohmr_jax.main --config configs/benchmark_training.py

The sizes are those of the paper (ResNet-50, 224 px), in float32 as in the official
code.
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr


def get_config() -> ConfigDict:
    """Returns the configuration at the paper's sizes."""
    paper = prohmr.get_config()
    config = ConfigDict()
    config.mode = "benchmark_training"
    # A body file, or "open"; training uses the joints of the body alone.
    config.body = "open"
    config.model = paper.model
    config.model.encoder_dtype = "float32"
    config.loss_weights = paper.loss_weights
    config.num_hypotheses = paper.num_hypotheses
    config.batch_size = 8
    config.encoder_batch_size = 16
    config.rounds = 7

    # Photos of 640 x 480 pixels and crops of 256 pixels are read, with each of these
    # numbers of worker processes.
    config.pipeline = ConfigDict(
        {"photos": 256, "batch_size": 32, "num_batches": 64, "workers": (0, 1, 2)}
    )
    # One global batch is computed on more and more devices that share the cores, so
    # that only overhead grows. The model is small: the memory must hold a copy of it
    # for each device.
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
    # Number of devices for which the full-size step is compiled; it is not run.
    config.compiled_devices = 2
    # Markdown file to write; empty for none.
    config.output = ""
    # JSON file of this run's ratios to write; empty for none.
    config.ratios = ""
    # JSON file of the ratios of an earlier run: a run in which one of them is smaller
    # by more than a fifth fails.
    config.gate = ""
    return config
