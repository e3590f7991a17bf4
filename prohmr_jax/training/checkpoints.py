"""Saves the states of a training run on disk, in the background, and restores them.

`loop` calls it; Orbax does the work.
"""

import os
import pathlib

import grain
import jax
import orbax.checkpoint as ocp
from etils import epath

from prohmr_jax.errors import InputError
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.body_hash import BodyIdentity
from prohmr_jax.training.train_state import TrainState
from prohmr_jax.weights.headers import (
    SPEC_FILE,
    header_text,
    model_header,
    read_spec,
    trained_body,
)
from prohmr_jax.weights.model_kinds import Spec
from prohmr_jax.weights.state_names import with_current_names, with_saved_names
from prohmr_jax.weights.storage_errors import storage_errors_as_input_errors
from prohmr_jax.weights.weight_files import STATES


class StateCheckpoints:
    """Keeps the latest states of one training directory.

    Attributes:
      directory: absolute path of the training directory.
      body: the body that the run trains on; None where it is not known.
    """

    def __init__(
        self,
        directory: str | os.PathLike,
        spec: Spec,
        keep: int = 2,
        data: grain.DatasetIterator | None = None,
        body: BodyIdentity | None = None,
    ):
        """Opens a training directory, or makes it.

        Args:
          directory: path of the training directory.
          spec: describes the model; it must be the one that the directory was made
            with.
          keep: number of latest states to keep.
          data: iterator that the run reads its batches from; its position is saved and
            restored with the state.
          body: the body that the run trains on, which a new directory will name.

        Raises:
          InputError: the directory cannot be written, or belongs to another model or to
            a training on another body.
        """
        self.directory = pathlib.Path(directory).resolve()
        self.body = body
        self._data = data
        file = self.directory / SPEC_FILE
        if file.exists():
            if read_spec(self.directory, type(spec)) != spec:
                raise InputError(file, "describes another model than the config")
            former = trained_body(self.directory)
            if former is not None and body is not None and former.is_other_than(body):
                raise InputError(
                    file,
                    f"describes a training on the body {former}, but the config names "
                    f"{body}; train it in a directory of its own",
                )
        elif jax.process_index() == 0:
            text = header_text(model_header(spec, body), indent=2) + "\n"
            write_atomically(file, lambda stream: stream.write(text.encode()))
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        with storage_errors_as_input_errors(self.directory, "cannot be used"):
            self._manager = ocp.CheckpointManager(
                self.directory / STATES, options=options
            )

    @property
    def latest_step(self) -> int | None:
        """Returns the step of the latest complete state; None if there is none yet."""
        return self._manager.latest_step()

    def restore(self, state: TrainState) -> TrainState:
        """Returns the latest saved state, or the given one where none was saved.

        Args:
          state: a state of the structure and shapes that the saved one has to have.

        Raises:
          InputError: the saved state is damaged, or of another kind of run.
        """
        step = self.latest_step
        if step is None:
            return state
        with storage_errors_as_input_errors(
            self.directory, f"cannot go on from step {step}"
        ):
            # Fields by name: older versions saved some under other names.
            fields = with_saved_names(vars(state), self._saved_names(step))
            abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, fields)
            items = {"state": ocp.args.StandardRestore(abstract)}
            if self._data is not None:
                items["data"] = grain.checkpoint.CheckpointRestore(self._data)
            restored = self._manager.restore(step, args=ocp.args.Composite(**items))
        return TrainState(**with_current_names(restored["state"]))

    def _saved_names(self, step: int) -> set[str]:
        """Returns the names of the fields of a saved state."""
        path = epath.Path(self.directory / STATES / str(step) / "state")
        return set(ocp.StandardCheckpointHandler().metadata(path).tree)

    def save(self, state: TrainState) -> None:
        """Starts to save a state, once the previous save has ended.

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
        with storage_errors_as_input_errors(self.directory, f"cannot save step {step}"):
            self._manager.save(step, args=ocp.args.Composite(**items))

    def close(self) -> None:
        """Waits for the end of the last save.

        Raises:
          InputError: see `save`.
        """
        with storage_errors_as_input_errors(self.directory, "cannot save"):
            self._manager.wait_until_finished()
        self._manager.close()
