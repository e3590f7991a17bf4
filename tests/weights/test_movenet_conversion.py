"""Reading TensorFlow.js weights: all arrays in their place, every fault one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.models.movenet.network import multipose, thunder
from prohmr_jax.weights import movenet_files
from prohmr_jax.weights.movenet_conversion import read_movenet, read_tfjs_weights
from tests.support.paths import ROOT


def write_graph(folder, arrays, quantized=("half",), data=None):
    """A graph model of some arrays; returns the path of its JSON."""
    entries = []
    for name, array in arrays.items():
        entry = {"name": name, "shape": list(array.shape), "dtype": "float32"}
        if name in quantized:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
        elif array.dtype == np.int32:
            entry["dtype"] = "int32"
        entries.append(entry)
    if data is None:
        data = b"".join(array.tobytes() for array in arrays.values())
    path = folder / "net.json"
    manifest = [{"paths": ["net.bin"], "weights": entries}]
    path.write_text(json.dumps({"weightsManifest": manifest}))
    (folder / "net.bin").write_bytes(data)
    return path


@pytest.fixture
def arrays(rng):
    return {
        "half": rng.normal(size=(2, 3)).astype(np.float16),
        "number": np.array(5, np.int32),
        "full": rng.normal(size=(4,)).astype(np.float32),
    }


def test_arrays_are_read_as_stored(tmp_path, arrays):
    read = read_tfjs_weights(write_graph(tmp_path, arrays))
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


def fault(function, *args):
    with pytest.raises(InputError) as error:
        function(*args)
    assert "\n" not in str(error.value)
    return error.value.what


def test_faults_are_one_line(tmp_path, arrays):
    path = write_graph(tmp_path, arrays)
    data = (tmp_path / "net.bin").read_bytes()
    write_graph(tmp_path, arrays, data=data[:-1])
    assert "shorter" in fault(read_tfjs_weights, path)
    write_graph(tmp_path, arrays, data=data + b"0")
    assert "longer" in fault(read_tfjs_weights, path)
    write_graph(tmp_path, arrays)
    assert "another network" in fault(read_movenet, path, thunder())
    (tmp_path / "net.bin").unlink()
    assert "cannot be read" in fault(read_tfjs_weights, path)
    text = path.read_text()
    path.write_text(text.replace('"float16"', '"uint8"'))
    (tmp_path / "net.bin").write_bytes(data)
    assert "uint8" in fault(read_tfjs_weights, path)
    path.write_text(text.replace("[4]", "[-4]"))
    assert fault(read_tfjs_weights, path)
    for content in ("[]", "{}", '{"weightsManifest": [{"paths": 1}]}', "", "{"):
        path.write_text(content)
        assert fault(read_tfjs_weights, path)


def test_the_tool_names_a_missing_folder(tmp_path):
    tool = ROOT / "tools" / "convert_movenet.py"
    command = [sys.executable, tool, tmp_path / "nothing", tmp_path]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "movenet-multipose.json" in done.stderr


@pytest.mark.parametrize(
    ("name", "network", "shipped"),
    [
        ("multipose", multipose(), movenet_files.MULTIPOSE_FILE),
        ("thunder", thunder(), movenet_files.THUNDER_FILE),
    ],
)
def test_the_shipped_files_are_the_published_numbers(name, network, shipped):
    models = Path(
        os.environ.get("PROHMR_HUMAN_MODELS", ROOT.parent / "npm/package/models")
    )
    if not models.is_dir():
        pytest.skip("needs the npm package (PROHMR_HUMAN_MODELS)")
    arrays = read_movenet(models / f"movenet-{name}.json", network)
    with np.load(shipped) as archive:
        assert sorted(archive) == sorted(arrays)
        for key, array in arrays.items():
            np.testing.assert_array_equal(archive[key], array)
