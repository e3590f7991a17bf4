"""The tools of poses: the bank and the prior leave out the clips that are held out."""

import json
import zipfile

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.open_benchmark import read_benchmark
from prohmr_jax.poses.bank import read_held_out_clips, read_pose_bank
from prohmr_jax.poses.mocap.cmu_expmap import EXPMAP_BONES
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.poses.mocap.training_clips import training_clips
from prohmr_jax.priors.gaussian_mixture import NUM_POSE, load_pose_prior
from tests.support.poses_cases import expmap_arrays
from tests.support.tools import tool


@pytest.fixture
def prepared(tmp_path):
    """A prepared file whose training and held-out clips differ in the head."""
    rng = np.random.default_rng(0)

    def clip(head_turn):
        values = rng.normal(0.0, 0.05, (12, 39, 3))
        values[:, 1 + EXPMAP_BONES.index("head")] = [0.0, head_turn, 0.0]
        for side, sign in (("l", 1), ("r", -1)):
            arm = 1 + EXPMAP_BONES.index(side + "humerus")
            values[:, arm] = [0.0, 0.0, sign * 1.1]
        for joint in (b for b in EXPMAP_BONES if b[1:] in ("radius", "tibia")):
            values[:, 1 + EXPMAP_BONES.index(joint)] = 0.0
        return values

    clips = {f"walking__{i}": clip(0.3 if i == 5 else 0.0) for i in range(1, 7)}
    clips["soccer__1"] = clip(0.3)
    path = tmp_path / "prepared.npz"
    np.savez(path, **expmap_arrays(clips))
    return path


def test_training_clips_are_those_of_the_training_split(prepared):
    names = [clip.name for clip in training_clips([str(prepared)])]
    assert names == [f"walking__{i}" for i in (1, 2, 3, 4, 6)]


@pytest.mark.parametrize("tool_name", ["make_pose_bank", "make_pose_prior"])
def test_tools_use_no_held_out_clip(prepared, tmp_path, monkeypatch, tool_name):
    module = tool(tool_name)
    seen = []

    def stop(clips, *_):
        seen.extend(clip.name for clip in clips)
        raise module.InputError("x", "enough")

    monkeypatch.setattr(module, "build_pose_bank", stop)
    arguments = ["--capture", str(prepared), "--output", str(tmp_path / "out.npz")]
    if tool_name == "make_pose_prior":
        arguments += ["--components", "2"]
    assert module.main(arguments) == 2
    assert seen == [f"walking__{i}" for i in (1, 2, 3, 4, 6)]


def test_bank_tool_writes_bank_and_held_out_clips(prepared, tmp_path, capsys):
    output, held_out = tmp_path / "bank.npz", tmp_path / "held_out.npz"
    code = tool("make_pose_bank").main(
        ["--capture", str(prepared), "--output", str(output),
         "--held_out", str(held_out), "--num_poses", "300"]
    )  # fmt: skip
    assert code == 0
    assert abs(len(read_pose_bank(output)) - 300) < 20
    names = [clip.name for clip in read_held_out_clips(held_out)]
    assert names == ["walking__5", "soccer__1"]
    unseen = read_held_out_clips(held_out, ["unseen-action test"])
    assert [clip.name for clip in unseen] == ["soccer__1"]
    with pytest.raises(InputError, match="no clip of the splits other motion"):
        read_held_out_clips(held_out, ["other motion: climbing"])
    assert "5 clips" in capsys.readouterr().out


def test_prior_tool_writes_a_prior(prepared, tmp_path):
    pytest.importorskip("sklearn")
    output = tmp_path / "prior.npz"
    code = tool("make_pose_prior").main(
        ["--capture", str(prepared), "--output", str(output),
         "--components", "2", "--num_poses", "400"]
    )  # fmt: skip
    assert code == 0
    assert load_pose_prior(output).means.shape == (2, NUM_POSE)


def test_tools_name_a_missing_capture(tmp_path, capsys):
    absent = tmp_path / "absent.npz"
    for name in ("make_pose_bank", "make_pose_prior"):
        code = tool(name).main(
            ["--capture", str(absent), "--output", str(tmp_path / "x.npz")]
        )
        assert code == 2
        assert capsys.readouterr().err == f"{absent}: does not exist\n"


def write_motions(deepmimic, climbing):
    """Writes a roll of 16 frames, and two frames of somebody who climbs."""
    (climbing / "one").mkdir(parents=True)
    deepmimic.mkdir(parents=True)
    rest = [1.0, 0.0, 0.0, 0.0]
    hinge_or_ball = [rest, [0.0], rest, rest, [0.0]]
    frame = [0.5, 0, 0.9, 0, *sum([rest] * 3 + 2 * hinge_or_ball, [])]
    text = json.dumps({"Frames": [frame, frame]})
    (deepmimic / "humanoid3d_roll.txt").write_text(text)
    rng = np.random.default_rng(0)
    np.save(climbing / "one" / "a.npy", rng.normal(size=(8, 53, 3)))


def test_motions_tool_writes_clips_in_splits_of_their_own(tmp_path, capsys):
    deepmimic, climbing = tmp_path / "motions", tmp_path / "climb"
    write_motions(deepmimic, climbing)
    output = tmp_path / "other.npz"
    main = tool("make_held_out_motions").main
    folders = ["--acrobatics", str(deepmimic), "--climbing", str(climbing)]
    assert main(["--output", str(output), *folders]) == 0
    clips = read_held_out_clips(output)
    assert [(c.name, c.split, len(c.axis_angle)) for c in clips] == [
        ("roll__humanoid3d_roll", Split.ACROBATICS, 16),
        ("climbing__one", Split.CLIMBING, 2),
    ]
    assert "2 clips, 18 frames" in capsys.readouterr().out
    assert main(["--output", str(output), "--climbing", str(deepmimic)]) == 2
    assert capsys.readouterr().err == f"{deepmimic}: holds no file */*.npy\n"
    with pytest.raises(SystemExit):
        main(["--output", str(output)])


def test_benchmark_tool_reads_the_wheels(tmp_path, capsys):
    module = tool("make_open_benchmark")
    content, wheels = tmp_path / "content", tmp_path / "wheels"
    write_motions(content / module.ACROBATICS, content / module.CLIMBING)
    (content / "pybullet_data" / "not_read.py").write_text("raise SystemExit")
    wheels.mkdir()
    output = str(tmp_path / "benchmark.npz")
    arguments = ["--output", output, "--packages", str(wheels), "--people", "2"]
    assert module.main(arguments) == 2
    assert "holds no wheel pybullet-*.whl" in capsys.readouterr().err
    for name, part in (
        ("pybullet-1-any.whl", "pybullet_data"),
        ("holosoma_retargeting-1-any.whl", "holosoma_retargeting"),
    ):
        with zipfile.ZipFile(wheels / name, "w") as archive:
            for file in sorted((content / part).rglob("*.*")):
                archive.write(file, file.relative_to(content))
    assert module.main(arguments) == 0
    assert "4 people in 2 parts, 11 conditions" in capsys.readouterr().out
    assert read_benchmark(output).actions == ("roll", "roll", "climbing", "climbing")
    (wheels / "pybullet-1-any.whl").write_bytes(b"cut")
    assert module.main(arguments) == 2
    assert "cannot be unpacked" in capsys.readouterr().err
