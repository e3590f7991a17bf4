"""Training by processes on several hosts: how a process joins the others."""

import jax

from prohmr_jax.errors import InputError


def join_hosts(description: str) -> None:
    """Makes this process one of several that train together.

    Args:
      description: "auto" where the cluster tells who they are (TPU pods, Slurm, Open
        MPI); else the first host's address and port, this process's number and the
        number of processes, as "host:port,number,count".

    Raises:
      InputError: the description is neither.
    """
    if description == "auto":
        jax.distributed.initialize()
        return
    try:
        address, number, count = description.split(",")
        place = {"process_id": int(number), "num_processes": int(count)}
    except ValueError:
        raise InputError(
            "--distributed",
            f"{description!r} is not 'auto' or 'host:port,number,count'",
        ) from None
    jax.distributed.initialize(address, **place)
