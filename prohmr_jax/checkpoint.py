"""Weights and training states on disk.

Two forms. A *training directory* holds Orbax checkpoints of the whole state, saved in
the background, atomic, and `model.json`. A *weights file* is one `.npz` of arrays by
name, in float16 or float32, with the model's spec inside: what is shipped and shared.
`load_weights` reads both.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
from collections.abc import Iterator, Mapping

import grain
import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from flax.traverse_util import flatten_dict, unflatten_dict

from prohmr_jax.errors import InputError
from prohmr_jax.files.arrays import Expected
from prohmr_jax.files.atomic import write_atomically
from prohmr_jax.files.npz import read_npz, write_npz
from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.train_state import TrainState

SHIPPED_WEIGHTS = pathlib.Path(__file__).parent / "assets" / "prohmr_keypoints.npz"
_SPEC_FILE = "model.json"
_STATES = "states"
_FORMAT_VERSION = 1


def save_weights(
    path: str | os.PathLike, spec: ModelSpec, variables: Mapping, dtype=np.float16
) -> None:
    """Writes a weights file, atomically.

    Args:
      path: `.npz` to write.
      spec: of the model.
      variables: `{params, batch_stats, mean_params}`.
      dtype: float16 halves the file; the rounding is far below the training noise.
    """
    flat = flatten_dict(dict(variables), sep="/")
    arrays = {name: np.asarray(value).astype(dtype) for name, value in flat.items()}
    header = {"version": _FORMAT_VERSION, "model": dataclasses.asdict(spec)}
    write_npz(path, {"header": np.array(json.dumps(header)), **arrays})


def load_weights(path: str | os.PathLike) -> tuple[ModelSpec, dict]:
    """Returns spec and float32 variables of a weights file or training directory.

    Raises:
      InputError: missing, damaged, of another version, or its arrays do not fit the
        model that it describes.
    """
    path = pathlib.Path(path)
    if path.is_dir():
        spec = _read_spec(path)
        expected = _abstract_variables(spec)
        return spec, _restore_average(path, expected)
    if not path.exists():
        raise InputError(path, "no such weights file or training directory")
    header = read_npz(path, {"header": Expected((), "text")})["header"]
    spec = _parse_spec(path, str(header))
    names = flatten_dict(_abstract_variables(spec), sep="/")
    arrays = read_npz(path, {n: Expected(a.shape, "real") for n, a in names.items()})
    floats = {name: np.asarray(a, np.float32) for name, a in arrays.items()}
    return spec, {"batch_stats": {}, **unflatten_dict(floats, sep="/")}


def _abstract_variables(spec: ModelSpec) -> dict:
    return jax.eval_shape(lambda: init_variables(build_model(spec), jax.random.key(0)))


def _parse_spec(path: pathlib.Path, text: str) -> ModelSpec:
    try:
        header = json.loads(text)
        version, fields = header["version"], header["model"]
        lists = {name: tuple(v) for name, v in fields.items() if isinstance(v, list)}
        spec = ModelSpec(**{**fields, **lists})
        build_model(spec)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(path, "does not describe a model of this project") from None
    if version != _FORMAT_VERSION:
        raise InputError(path, f"has format version {version}, not {_FORMAT_VERSION}")
    return spec


def _read_spec(directory: pathlib.Path) -> ModelSpec:
    file = directory / _SPEC_FILE
    if not file.exists():
        raise InputError(directory, f"no training directory: it has no {_SPEC_FILE}")
    return _parse_spec(file, file.read_text(encoding="utf-8"))


def _restore_average(directory: pathlib.Path, expected: dict) -> dict:
    with ocp.CheckpointManager(directory.resolve() / _STATES) as manager:
        step = manager.latest_step()
        if step is None:
            raise InputError(directory, "holds no finished checkpoint")
        items = ocp.args.Composite(state=ocp.args.StandardRestore())
        restored = manager.restore(step, args=items)["state"]
    found = {
        "params": restored["average_params"],
        "batch_stats": restored["batch_stats"] or {},
        "mean_params": restored["mean_params"],
    }
    if jax.tree.map(jnp.shape, found) != jax.tree.map(jnp.shape, expected):
        raise InputError(directory, f"step {step} does not fit its {_SPEC_FILE}")
    return jax.tree.map(np.asarray, found)


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
        file = self.directory / _SPEC_FILE
        if file.exists():
            if _read_spec(self.directory) != spec:
                raise InputError(file, "describes another model than the config")
        elif jax.process_index() == 0:
            header = {"version": _FORMAT_VERSION, "model": dataclasses.asdict(spec)}
            text = json.dumps(header, indent=2) + "\n"
            write_atomically(file, lambda stream: stream.write(text.encode()))
        options = ocp.CheckpointManagerOptions(max_to_keep=keep, create=True)
        with self._faults_named("cannot be used"):
            self._manager = ocp.CheckpointManager(
                self.directory / _STATES, options=options
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
        with self._faults_named(f"cannot go on from step {step}"):
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
        with self._faults_named(f"cannot save step {step}"):
            self._manager.save(step, args=ocp.args.Composite(**items))

    def close(self) -> None:
        """Waits for the last save."""
        with self._faults_named("cannot save"):
            self._manager.wait_until_finished()
        self._manager.close()

    @contextlib.contextmanager
    def _faults_named(self, what: str) -> Iterator[None]:
        """Turns the storage's many errors into one line."""
        try:
            yield
        except (OSError, ValueError, KeyError) as error:
            fault = str(error).partition(" [tensorstore_spec")[0]
            raise InputError(self.directory, f"{what}: {fault}") from error
