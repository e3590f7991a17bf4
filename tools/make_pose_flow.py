"""Trains the flow over body poses that ships with this project, on a bank of poses.

python tools/make_pose_flow.py --pose_bank poses.npz \
    --output prohmr_jax/assets/pose_flow.npz

It takes ten minutes on one CPU core. `tools/make_pose_bank.py` makes the bank.
"""

import argparse
import sys

import jax
import jax.numpy as jnp

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import require_writable_file
from prohmr_jax.poses.bank import read_pose_bank
from prohmr_jax.priors.pose_flow import init_params, save_pose_flow
from prohmr_jax.training.optimizers import OptimizerSettings, make_optimizer
from prohmr_jax.training.pose_flow_model import make_loss_function, whitened_params
from prohmr_jax.training.train_state import create_train_state, make_train_step


def main(arguments: list[str] | None = None) -> int:
    """Trains and writes the flow; returns 0, or 2 for unusable input."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pose_bank", required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--num_steps", type=int, default=12_000)
    parser.add_argument("--batch_size", type=int, default=512)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(arguments)
    optimizer = make_optimizer(
        OptimizerSettings(
            learning_rate=1e-3,
            schedule="cosine",
            warmup_steps=min(300, args.num_steps // 2),
            final_learning_rate_ratio=0.01,
            max_gradient_norm=100.0,
        ),
        args.num_steps,
    )
    step = jax.jit(
        make_train_step(
            make_loss_function(args.batch_size), optimizer, args.seed, 0.999
        ),
        donate_argnums=0,
    )
    try:
        require_writable_file(args.output)
        bank = jnp.asarray(read_pose_bank(args.pose_bank).axis_angle, jnp.float16)
        params = init_params(jax.random.key(args.seed))
        params = whitened_params(params, bank[:10_000].astype(jnp.float32))
        state = create_train_state({"params": params}, optimizer)
        for number in range(1, args.num_steps + 1):
            state, metrics = step(state, bank)
            if number % 200 == 0 or number == args.num_steps:
                print(f"step {number}: {metrics.loss:.2f} nats", flush=True)
        save_pose_flow(args.output, jax.device_get(state.average_params))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"{args.output}: {args.num_steps} steps on {len(bank)} poses")
    return 0


if __name__ == "__main__":
    sys.exit(main())
