"""The states of a training run on disk, saved in the background by Orbax."""

import dataclasses
import json
import os
import pathlib

import grain
import jax
import orbax.checkpoint as ocp

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.models.spec import ModelSpec
from prohmr_jax.training.train_state import TrainState
from prohmr_jax.weights.headers import FORMAT_VERSION, SPEC_FILE, read_spec
from prohmr_jax.weights.weight_files import STATES, storage_errors_as_input_errors


class StateCheckpoints:
    """The states of one training directory; saves run in the background."""

    def __init__(
        self,
        directory: str | os.PathLike,
        spec: ModelSpec,
        keep: int = 2,
        data: grain.DatasetIterator | None = None,
    ):
        """Opens or starts a training directory.

        Args:
          directory: made where absent.
          spec: must agree with the one that is already there.
          keep: number of latest states to keep.
          data: what the run reads; its position is saved and restored with the state.

        Raises:
          InputError: the directory cannot be written or belongs to another model.
        """
        self.directory = pathlib.Path(directory).resolve()
        self._data = data
        file = self.directory / SPEC_FILE
        if file.exists():
            if read_spec(self.directory) != spec:
                raise InputError(file, "describes another model than the config")
        elif jax.process_index() == 0:
            header = {"version": FORMAT_VERSION, "model": dataclasses.asdict(spec)}
            text = json.dumps(header, indent=2) + "\n"
            write_atomically(file, lambda stream: stream.write(text.encode()))
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        with storage_errors_as_input_errors(self.directory, "cannot be used"):
            self._manager = ocp.CheckpointManager(
                self.directory / STATES, options=options
            )

    @property
    def latest_step(self) -> int | None:
        """The step of the latest whole state; None if there is none yet."""
        return self._manager.latest_step()

    def restore(self, state: TrainState) -> TrainState:
        """Returns the latest state, or the given one where none was saved.

        Args:
          state: of the right structure and shapes.

        Raises:
          InputError: the saved state is damaged, or of another kind of run.
        """
        step = self.latest_step
        if step is None:
            return state
        abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
        items = {"state": ocp.args.StandardRestore(abstract)}
        if self._data is not None:
            items["data"] = grain.checkpoint.CheckpointRestore(self._data)
        fault = f"cannot go on from step {step}"
        with storage_errors_as_input_errors(self.directory, fault):
            return self._manager.restore(step, args=ocp.args.Composite(**items))[
                "state"
            ]

    def save(self, state: TrainState) -> None:
        """Starts to save a state; the previous save is waited for.

        Raises:
          InputError: the disk is full or the directory not writable; what was saved
            before is untouched.
        """
        step = int(state.step)
        if step == self.latest_step:
            return
        items = {"state": ocp.args.StandardSave(state)}
        if self._data is not None:
            items["data"] = grain.checkpoint.CheckpointSave(self._data)
        fault = f"cannot save step {step}"
        with storage_errors_as_input_errors(self.directory, fault):
            self._manager.save(step, args=ocp.args.Composite(**items))

    def close(self) -> None:
        """Waits for the last save."""
        with storage_errors_as_input_errors(self.directory, "cannot save"):
            self._manager.wait_until_finished()
        self._manager.close()
