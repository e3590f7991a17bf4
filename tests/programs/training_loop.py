"""A run of the training loop that is small enough to be killed, doubled and starved.

  python -m tests.programs.training_loop DIRECTORY [--hosts ADDRESS,NUMBER,COUNT]
      [--file_bytes N] [--steps N] [--seconds_per_step S]

Fits a vector to rows that a shuffled grain pipeline serves, through the real loop, step
and checkpoints, and prints `step loss` lines as it goes.
"""

import argparse
import resource
import signal
import sys
import time

import grain
import jax
import jax.numpy as jnp
import numpy as np
import optax

from prohmr_jax.errors import InputError
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.structs import LossTerms
from prohmr_jax.training.checkpoints import StateCheckpoints
from prohmr_jax.training.hosts import join_hosts
from prohmr_jax.training.loop import AXIS, LoopSettings, run_training, shard
from prohmr_jax.training.train_state import LossAux, create_train_state, make_train_step

ROWS, SIZE, BATCH = 64, 50, 8


def batches():
    """Rows of this host: a slice of every global batch."""
    data = grain.MapDataset.source(np.arange(ROWS)).shuffle(seed=0).repeat()
    data = data.batch(BATCH)
    share = BATCH // jax.process_count()
    mine = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
    targets = np.random.default_rng(0).normal(size=(ROWS, SIZE)).astype(np.float32)
    return iter(data.map(lambda rows: targets[rows[mine]]).to_iter_dataset())


def loss_function(params, state, key, inputs):
    """Mean over this device's rows; the step averages over devices."""
    noise = 0.01 * jax.random.normal(key, (SIZE,))
    loss = jnp.mean(jnp.square(params["w"] + noise - inputs))
    return loss, LossAux(LossTerms(), {})


def main():
    """Runs, and prints the sum of the parameters at the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory")
    parser.add_argument("--hosts", default="")
    parser.add_argument("--file_bytes", type=int, default=0)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seconds_per_step", type=float, default=0.0)
    arguments = parser.parse_args()
    if arguments.hosts:
        join_hosts(arguments.hosts)
    if arguments.file_bytes:  # what a full disk does to a write
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (arguments.file_bytes,) * 2)
    data = batches()
    optimizer = optax.adam(1e-2)
    state = create_train_state({"params": {"w": jnp.zeros(SIZE)}}, optimizer)
    checkpoints = StateCheckpoints(arguments.directory, ModelSpec(), data=data)

    def inputs():
        for batch in data:
            time.sleep(arguments.seconds_per_step)
            yield shard(batch)

    run_training(
        ModelSpec(),
        state,
        make_train_step(loss_function, optimizer, 0, 0.9, AXIS),
        inputs(),
        LoopSettings(arguments.steps, BATCH, log_every=1, checkpoint_every=2),
        checkpoints,
    )
    last = StateCheckpoints(arguments.directory, ModelSpec(), data=batches())
    actual = last.restore(state)
    if jax.process_index() == 0:
        digits = np.asarray(actual.params["w"]).tobytes().hex()
        print(int(actual.step), float(jnp.sum(actual.params["w"])), digits)


if __name__ == "__main__":
    try:
        main()
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
