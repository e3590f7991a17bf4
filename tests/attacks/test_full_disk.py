"""A bulk fit whose disk is full at each of its writes loses nothing and goes on."""

import errno
import itertools
import os

import pytest

from prohmr_jax.errors import OutputError
from prohmr_jax.files import atomic
from prohmr_jax.modes.fit import run
from tests.support.demo_cases import write_weights
from tests.support.fit_cases import config_of, write_folder


@pytest.mark.slow
def test_a_fit_goes_on_after_every_write_that_fails(tmp_path, monkeypatch):
    weights = write_weights(tmp_path / "w.npz")
    given = write_folder(tmp_path / "given")

    def fit(output):
        return run(
            config_of(
                "fit", input=str(given), output=str(output), checkpoint=str(weights),
                people_per_shard=2, slots=2, max_steps=5, num_hypotheses=3,
            )
        )  # fmt: skip

    whole = fit(tmp_path / "whole")
    sync, output, faults = os.fsync, tmp_path / "out", []
    for number in itertools.count(1):
        left = iter(range(1, number))

        def full(descriptor, left=left):
            if next(left, None) is None:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            sync(descriptor)

        monkeypatch.setattr(atomic.os, "fsync", full)
        try:
            report = fit(output)
            break
        except OutputError as error:
            faults.append(error.what)
        assert not list(output.rglob(".*.tmp"))
    assert len(faults) > 2
    assert set(faults) == {"cannot be written: No space left on device"}
    assert report.table.read_bytes() == whole.table.read_bytes()
    for name in ("left_out.txt", "implausible.txt"):
        assert (output / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()
