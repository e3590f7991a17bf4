"""Ratios of benchmarks are kept, and a run that lost too much fails."""

import json

import pytest

from prohmr_jax.benchmarks.ratios import keep_ratios, read_ratios, require_ratios
from prohmr_jax.errors import InputError

RATIOS = {"flow: naive": 2.0, "meshes: naive": 2.5}


@pytest.fixture
def path(tmp_path):
    path = str(tmp_path / "ratios.json")
    keep_ratios("benchmark", RATIOS, path)
    return path


def test_ratios_are_kept_with_the_machine(path):
    assert read_ratios("benchmark", path) == RATIOS
    with open(path) as stream:
        assert "jaxlib" in json.load(stream)["machine"]
    keep_ratios("benchmark", RATIOS, "")
    assert read_ratios("benchmark", "") == {}


def test_a_small_loss_passes_and_every_ratio_is_shown(path, capsys):
    now = {"flow: naive": 1.61, "meshes: naive": 9.0, "of no earlier run": 0.1}
    require_ratios(now, RATIOS, path)
    printed = capsys.readouterr().out
    assert "0.81" in printed
    assert "3.60" in printed


def test_a_large_loss_fails(path):
    now = RATIOS | {"flow: naive": 1.59}
    with pytest.raises(InputError, match="1 of 2 ratios fell.*flow: naive"):
        require_ratios(now, RATIOS, path)


def test_what_was_not_measured_fails(path):
    with pytest.raises(InputError, match="not measured: meshes: naive"):
        require_ratios({"flow: naive": 2.0}, RATIOS, path)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ([], "is not a file of ratios"),
        ({"benchmark": "other", "ratios": RATIOS}, "has ratios of 'other'"),
        ({"benchmark": "benchmark", "ratios": {}}, "has no ratios"),
        ({"benchmark": "benchmark", "ratios": {"a": 0}}, "no positive ratio for 'a'"),
        ({"benchmark": "benchmark", "ratios": {"a": "2"}}, "no positive ratio"),
        ({"benchmark": "benchmark", "ratios": {"a": 10**400}}, "no positive ratio"),
    ],
)
def test_other_files_are_refused(tmp_path, content, fault):
    path = tmp_path / "other.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=fault):
        read_ratios("benchmark", str(path))
