"""Equality with the official numbers, and that the comparison notices everything."""

import functools
import lzma
import os
import shutil
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.models.spec import init_variables
from prohmr_jax.parity import check
from prohmr_jax.parity.check import check_directory
from prohmr_jax.parity.golden import GoldenDirectory, GoldenFile
from prohmr_jax.parity.gradients import RECTIFIED, STRICT, compare_gradients
from prohmr_jax.parity.official_step import FromFeatures
from prohmr_jax.parity.precision import double
from prohmr_jax.parity.recipe import recipe_tensor
from prohmr_jax.parity.report import FAIL, LATER, OK, Report
from prohmr_jax.weights.official_models import BACKBONE_PREFIX, FLOW_PREFIX
from tests.support.image_training import tiny_model
from tests.support.paths import GOLDENS, ROOT

TOOL = ROOT / "tools" / "check_parity.py"
RECIPE = GOLDENS / "recipe_check.json.xz"


def run(directory) -> Report:
    report = Report()
    for _ in check_directory(directory, report):
        pass
    return report


def failures(report):
    return [str(row) for row in report.rows if row.verdict == FAIL]


def arrays_of(name):
    with np.load(GOLDENS / name) as arrays:
        return dict(arrays)


def with_change(tmp_path, name, change):
    """A directory with one golden file, changed."""
    arrays = arrays_of(name)
    change(arrays)
    np.savez(tmp_path / name, **arrays)
    return tmp_path


def test_the_committed_numbers_are_reproduced():
    report = run(GOLDENS)
    assert not failures(report)
    files = {row.file for row in report.rows if row.verdict == OK}
    names = {p.name.removesuffix(".xz") for p in GOLDENS.iterdir()}
    assert files == names - {"README.md"}
    assert len(report.rows) > 1500


def test_the_bodies_are_reproduced(shared_goldens, tmp_path):
    for name in ("smpl_synth.npz", "smpl_forward.npz"):
        shutil.copy(shared_goldens / name, tmp_path)
    # Another directory of the format may hold a second file of a family.
    shutil.copy(shared_goldens / "smpl_forward.npz", tmp_path / "smpl_forward2.npz")
    report = run(tmp_path)
    assert not failures(report)
    assert {row.file for row in report.rows} == {
        "smpl_synth.npz", "smpl_forward.npz", "smpl_forward2.npz"
    }  # fmt: skip


@pytest.mark.skipif(
    "PROHMR_SHARED" not in os.environ, reason="minutes: PROHMR_SHARED asks for it"
)
@pytest.mark.parametrize(
    "name", ["resnet50.npz", "prohmr_forward.npz", "losses_eval.npz", "train_step.npz"]
)
def test_the_image_model_is_reproduced(shared_goldens, tmp_path, name):
    for needed in ("smpl_synth.npz", "recipe_check.json", name):
        shutil.copy(shared_goldens / needed, tmp_path)
    report = run(tmp_path)
    assert not failures(report)
    assert any(row.file == name for row in report.rows)


def test_given_features_send_their_gradient_into_the_encoder(rng):
    """Of half the squared features: that of the found ones times the given ones."""
    model = tiny_model(dropout_rate=0.0)
    parts = {"encoder": model.encoder, "head": model.head, "flow": model.flow}
    variables = init_variables(model, jax.random.key(0))
    images = jnp.asarray(rng.normal(size=(3, 32, 32, 3)), jnp.float32)
    features = jnp.asarray(rng.normal(size=(3, model.encoder.features)), jnp.float32)

    def encode(model, params, inputs):
        run = functools.partial(model.apply, method="encode", mutable=["batch_stats"])
        return run({**variables, "params": params}, inputs, True)[0]

    def energy(params):
        actual = encode(FromFeatures(**parts), params, (images, features))
        return 0.5 * jnp.sum(actual**2), actual

    def product(params):
        return jnp.sum(features * encode(model, params, images))

    ours, actual = jax.jit(jax.grad(energy, has_aux=True))(variables["params"])
    np.testing.assert_array_equal(actual, features)
    theirs = jax.jit(jax.grad(product))(variables["params"])
    largest = max(float(jnp.max(jnp.abs(leaf))) for leaf in jax.tree.leaves(theirs))
    assert largest > 0.1
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5 * largest), ours, theirs
    )


def test_a_gradient_of_the_discriminator_that_is_wrong_fails(tmp_path):
    key = "disc/grad_betas_of_sum_(d-1)^2"

    def change(arrays):
        arrays[key][2, 3] += 1e-3 * np.abs(arrays[key]).max()

    shutil.copy(RECIPE, tmp_path)
    (line,) = failures(run(with_change(tmp_path, "loss_pieces.npz", change)))
    assert key in line


def test_detections_are_reproduced(shared_goldens):
    case = GoldenDirectory(shared_goldens).open("openpose.npz")
    from prohmr_jax.parity.detections import check_openpose

    report = Report()
    check_openpose(case, report)
    report.close(case)
    assert not failures(report)
    assert any(row.what.endswith("/img") for row in report.rows)


@pytest.mark.parametrize(
    "key", ["aa_rotmat", "rot6d_grad_rows5on", "proj/full", "quat"]
)
def test_one_wrong_value_fails(tmp_path, key):
    def change(arrays):
        arrays[key].reshape(-1)[-1] += 1e-3 * np.abs(arrays[key]).max()

    report = run(with_change(tmp_path, "geometry.npz", change))
    affected = "quat_rotmat" if key == "quat" else key
    assert report.failed
    assert all(affected in line for line in failures(report))


def test_a_value_that_is_not_a_number_fails(tmp_path):
    def change(arrays):
        arrays["proj/noR"][0, 0, 0] = np.nan

    assert run(with_change(tmp_path, "geometry.npz", change)).failed


def test_an_entry_that_nothing_reads_fails(tmp_path):
    def change(arrays):
        arrays["proj/new"] = np.zeros(3)

    report = run(with_change(tmp_path, "geometry.npz", change))
    (line,) = failures(report)
    assert "proj/new" in line
    assert "not compared" in line
    (count,) = report.counts
    assert count.endswith("7 compared +    9 inputs used / 17 present")


def test_a_missing_entry_fails_and_is_named(tmp_path):
    report = run(with_change(tmp_path, "geometry.npz", lambda a: a.pop("proj/full")))
    assert any("proj/full" in line for line in failures(report))


def test_another_shape_fails(tmp_path):
    def change(arrays):
        arrays["quat_rotmat"] = arrays["quat_rotmat"][:-1]

    report = run(with_change(tmp_path, "geometry.npz", change))
    assert any("shape" in line for line in failures(report))


def test_unknown_and_broken_files_fail(tmp_path):
    (tmp_path / "surprise.npz").write_bytes(b"")
    (tmp_path / "layers.npz").write_bytes(b"PK\x03\x04 cut short")
    np.savez(tmp_path / "procrustes.npz", S1=np.array([{}], dtype=object))
    report = run(tmp_path)
    assert {row.file for row in report.rows if row.verdict == FAIL} == {
        "surprise.npz", "layers.npz", "procrustes.npz"
    }  # fmt: skip


def test_families_of_other_parts_are_listed_and_do_not_fail(tmp_path, monkeypatch):
    monkeypatch.setattr(check, "LATER", (("other_*.npz", "another part"),))
    np.savez(tmp_path / "other_thing.npz", a=np.zeros(2), b=np.zeros(2))
    report = run(tmp_path)
    (row,) = report.rows
    assert row.verdict == LATER
    assert "another part (later)" in str(row)
    assert not report.failed


def test_a_wrong_seed_fails(tmp_path):
    text = lzma.decompress(RECIPE.read_bytes()).decode()
    assert '"seed": 101' in text
    other = text.replace('"seed": 101', '"seed": 7')
    (tmp_path / "recipe_check.json").write_text(other)
    wrong = failures(run(tmp_path))
    assert len(wrong) > 400


def test_weights_depend_on_seed_and_name_alone():
    name, shape = "flow.flow._transform._transforms.1.bias", (144,)
    first = recipe_tensor(101, 0.15, name, shape)
    np.testing.assert_array_equal(first, recipe_tensor(101, 0.15, name, shape))
    assert np.any(first != recipe_tensor(102, 0.15, name, shape))
    assert np.any(first != recipe_tensor(101, 0.15, name.replace("1", "4"), shape))
    assert first.dtype == np.float32


def test_the_tool_says_by_its_exit_code_what_it_found(tmp_path):
    def tool(directory):
        return subprocess.run(
            [sys.executable, TOOL, directory],
            capture_output=True, text=True, check=False,
        )  # fmt: skip

    shutil.copy(RECIPE, tmp_path)
    good = tool(tmp_path)
    assert good.returncode == 0
    assert "472 compared" in good.stdout
    (tmp_path / "extra.bin").write_bytes(b"?")
    assert tool(tmp_path).returncode == 1
    missing = tool(tmp_path / "nowhere")
    assert missing.returncode == 2
    assert "is not a directory" in missing.stderr
    assert "Traceback" not in missing.stderr


def test_an_empty_directory_is_refused(tmp_path):
    with pytest.raises(InputError, match="no golden files"):
        run(tmp_path)


def test_double_widens_numbers_and_leaves_the_rest():
    tree = {"x": np.float32([1.5]), "n": np.int32([3]), "b": np.ones(2, bool), "s": 0.5}
    with jax.enable_x64(True):
        wide = double(tree)
        key = double(jax.random.key(0))
    assert {name: np.asarray(leaf).dtype.name for name, leaf in wide.items()} == {
        "x": "float64", "n": "int32", "b": "bool", "s": "float64"
    }  # fmt: skip
    assert jnp.issubdtype(key.dtype, jax.dtypes.prng_key)


@pytest.mark.parametrize(("factor", "verdict"), [(1 + 5e-4, OK), (1 + 2e-3, FAIL)])
def test_the_norm_of_a_module_counts_every_gradient_under_its_name(factor, verdict):
    prefix = "A/grad/module_norm/"
    entries = {f"{prefix}flow": np.float64(5.0), f"{prefix}backbone": np.float64(2.0)}
    ours = {
        f"{FLOW_PREFIX}a": factor * np.float32([3.0]),
        f"{FLOW_PREFIX}b": factor * np.float32([[0.0, 4.0]]),
        f"{BACKBONE_PREFIX}c": np.float32([2.0]),
    }
    verdicts = verdicts_of_gradients(entries, ours)
    assert verdicts == {f"{prefix}backbone": OK, f"{prefix}flow": verdict}


@pytest.mark.parametrize(
    ("tolerances", "factor", "verdict"),
    [(STRICT, 1 + 5e-4, OK), (STRICT, 1 + 2e-3, FAIL),
     (RECTIFIED, 1 + 2e-3, OK), (RECTIFIED, 1 + 5e-2, FAIL)],
)  # fmt: skip
def test_only_the_backbone_is_allowed_a_rectifier(tolerances, factor, verdict):
    names = [f"{BACKBONE_PREFIX}c", f"{FLOW_PREFIX}a"]
    golden = {name: np.float32([1.0, 2.0]) for name in names}
    entries = {"A/grad/names": np.array(names),
               "A/grad/norms": np.full(2, np.sqrt(5.0))}  # fmt: skip
    entries |= {f"A/grad/first256/{name}": golden[name] for name in names}
    for changed, expected in zip(names, (verdict, FAIL), strict=True):
        ours = {**golden, changed: (1 + 2e-3 if changed == names[1] else factor)
                * golden[changed]}  # fmt: skip
        verdicts = verdicts_of_gradients(entries, ours, backbone=tolerances)
        for name in names:
            expect = expected if name == changed else OK
            assert verdicts[f"A/grad/norms {name}"] == expect
            assert verdicts[f"A/grad/first256/{name}"] == expect


def verdicts_of_gradients(entries, ours, **options):
    """Row -> verdict of gradients against entries, all of which must be compared."""
    case = GoldenFile(GoldenDirectory(GOLDENS), "made.npz", entries)
    report = Report()
    compare_gradients(case, report, "A/grad/", ours, **options)
    assert not case.forgotten()
    return {row.what: row.verdict for row in report.rows}
