"""Connects this process with the others of a training on several hosts.

`main` calls `join_hosts` before anything is computed.
"""

import jax

from prohmr_jax.errors import InputError


def join_hosts(description: str) -> None:
    """Makes this process one of several that train together.

    Args:
      description: "auto" where the cluster knows its processes (TPU pods, Slurm, Open
        MPI); else address and port of the first host, number of this process, and
        number of processes, as "host:port,number,count".

    Raises:
      InputError: the description has neither form.
    """
    if description == "auto":
        jax.distributed.initialize()
        return
    try:
        address, number, count = description.split(",")
        process = {"process_id": int(number), "num_processes": int(count)}
    except ValueError:
        raise InputError(
            "--distributed",
            f"{description!r} is not 'auto' or 'host:port,number,count'",
        ) from None
    jax.distributed.initialize(address, **process)
