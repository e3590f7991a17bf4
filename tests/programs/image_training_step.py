"""One step of training on photos over all devices; writes what it changed.

python -m tests.programs.image_training_step OUTPUT.npz
"""

import sys

import jax
import numpy as np
import optax
from flax.traverse_util import flatten_dict

from prohmr_jax.files.body_files import read_body
from prohmr_jax.models.spec import init_variables
from prohmr_jax.training.image_model import (
    make_discriminator_training,
    make_loss_function,
)
from prohmr_jax.training.objective import Objective
from prohmr_jax.training.train_state import create_train_state, make_train_step
from tests.support.image_training import (
    WEIGHTS,
    discriminator_params,
    random_batch,
    tiny_model,
)

AXIS = "data"
PEOPLE = 16


def main(output):
    """Takes a step of plain gradient descent, so that changes are gradients."""
    objective = Objective(WEIGHTS, num_hypotheses=3)
    optimizer = optax.sgd(1.0)
    discriminator = make_discriminator_training(objective, optimizer)
    variables = init_variables(tiny_model(), jax.random.key(0))
    state = create_train_state(
        variables, optimizer, averaged=False, discriminator=discriminator,
        discriminator_params=discriminator_params(),
    )  # fmt: skip
    loss_function = make_loss_function(tiny_model(AXIS), objective, AXIS)
    step = make_train_step(loss_function, optimizer, 0, 0.0, AXIS, discriminator)
    devices = jax.device_count()
    batch = random_batch(np.random.default_rng(0), PEOPLE, 3)
    shared = jax.tree.map(lambda a: a.reshape(devices, -1, *a.shape[1:]), batch)
    mapped = jax.pmap(step, axis_name=AXIS, in_axes=(None, (0, None)), out_axes=0)
    after, metrics = mapped(state, (shared, read_body("open")))
    changed = {
        name: jax.tree.map(lambda new, old: new[0] - old, getattr(after, name),
                           getattr(state, name))
        for name in ("params", "discriminator_params", "batch_stats")
    }  # fmt: skip
    values = flatten_dict(changed, sep="/")
    scalars = {"loss": metrics.loss, "discriminator_loss": metrics.discriminator_loss}
    for name in metrics.terms.__dataclass_fields__:
        scalars[f"terms/{name}"] = getattr(metrics.terms, name)
    values |= {name: np.ravel(value)[0] for name, value in scalars.items()}
    np.savez(output, devices=devices, **values)


if __name__ == "__main__":
    main(sys.argv[1])
