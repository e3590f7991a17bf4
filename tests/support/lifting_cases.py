"""Small models that lift skeletons, and their official state dicts."""

import jax
import numpy as np

from prohmr_jax.models.lifter_spec import LifterSpec, build_lifter, init_lifter
from prohmr_jax.weights.official_lifter import lifter_to_official

SMALL_LIFTER = LifterSpec(
    input_joints=5,
    output_joints=4,
    encoder_width=6,
    encoder_blocks=1,
    context_features=7,
    flow_layers=2,
    flow_blocks=1,
    flow_hidden=8,
)

# Sizes of the configs that train lifters, as small as they can be.
TINY_MODEL = {
    "encoder_width": 8,
    "encoder_blocks": 1,
    "encoder_dropout": 0.0,
    "context_features": 6,
    "flow_layers": 1,
    "flow_blocks": 1,
    "flow_hidden": 8,
    "flow_batch_norm": False,
    "flow_dropout": 0.0,
}


def random_variables(spec: LifterSpec, seed: int = 0) -> dict:
    """Variables whose leaves are all of their own values, variances positive."""
    rng = np.random.default_rng(seed)
    shapes = jax.eval_shape(
        lambda: init_lifter(build_lifter(spec), jax.random.key(0))
    )  # fmt: skip

    def draw(path, leaf):
        values = rng.normal(0.0, 0.3, leaf.shape).astype(np.float32)
        return np.exp(values) if path[-1].key == "var" else values

    return jax.tree_util.tree_map_with_path(draw, shapes)


def official_lifter(
    spec: LifterSpec, variables: dict | None = None
) -> dict[str, np.ndarray]:
    """The official state dict of a model, with some of the buffers of the layout."""
    variables = random_variables(spec) if variables is None else variables
    layer = "flow.flow._transform._transforms"
    return {
        "initialized": np.array(True),
        **lifter_to_official(variables),
        "backbone.fc_layers.0.fc_block.1.num_batches_tracked": np.array(5),
        f"{layer}.2.identity_features": np.arange(0, 3 * spec.output_joints, 2),
        f"{layer}.2.transform_features": np.arange(1, 3 * spec.output_joints, 2),
    }
