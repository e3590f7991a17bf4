"""Measures an accelerator in under ten minutes, the most telling rows first.

tools/benchmark_accelerator.sh runs it in an environment of its own, or

python -m prohmr_jax.main --config configs/benchmark_accelerator.py \
    --config.output=accelerator.md
"""

from ml_collections import ConfigDict

from prohmr_jax.configs import prohmr


def get_config() -> ConfigDict:
    """Returns the configuration for one GPU with 16 GB or more."""
    paper = prohmr.get_config()
    config = ConfigDict()
    config.mode = "benchmark_accelerator"
    # A body file, or "open"; vertices are repeated until there are as many as in SMPL
    # (6,890).
    config.body = "open"
    config.seed = 0
    # No row is begun after this many seconds; the report says which ones are left out.
    config.seconds = 540
    config.rounds = 5
    # Precisions of the flow's products: float32, TF32 and bfloat16 on a GPU of NVIDIA.
    # On a TPU take ("highest", "high", "default").
    config.precisions = ("highest", "TF32_TF32_F32", "BF16_BF16_F32")
    # Side of the square matrices whose product gives the limit of each precision, and
    # megabytes that are copied for the limit of the memory.
    config.product = 8192
    config.copied_mb = 1024
    # Numbers of hypotheses, of as many images as divide them, up to 16.
    config.hypotheses = (16, 1024, 16_384, 65_536)
    # Numbers of people fitted at once, and of people with `views` views each.
    config.fits = (1, 64, 1024, 4096)
    config.joint_fits = (1, 256)
    config.views = 4
    config.bodies = (1024, 16_384)
    # The model of images of the paper, whose encoder computes in bfloat16.
    config.model = paper.model
    config.loss_weights = paper.loss_weights
    config.num_hypotheses = paper.num_hypotheses
    config.image_batch = 128
    # People in crops of 256 pixels that the detector looks at.
    config.detector_batch = 64
    # Markdown file, rewritten after each row; empty to print rows alone.
    config.output = ""
    return config
