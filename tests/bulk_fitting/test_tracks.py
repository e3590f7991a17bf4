"""Bodies of a table or of results become people who move."""

import dataclasses

import cv2
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.body import body_mesh
from prohmr_jax.bulk_fitting.tables import FitTable, checked_columns, write_table
from prohmr_jax.bulk_fitting.tracks import read_tracks
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.inference.results import PersonResult, Provenance, write_result
from prohmr_jax.modes.export import run as run_export
from prohmr_jax.structs import SmplParams
from tests.support.fit_cases import config_of

SIZES = {"K": 3, "S": 10, "V": 5, "F": 2}


def arrays(schema: type, **sizes: int) -> dict[str, np.ndarray]:
    """Random members of a schema."""
    rng, sizes = np.random.default_rng(0), SIZES | sizes
    members = {}
    for field in dataclasses.fields(schema):
        if not field.metadata:
            continue
        expected = field.metadata["expected"]
        shape = tuple(sizes.get(size, size) for size in expected.shape)
        members[field.name] = {
            "integer": np.zeros(shape, int),
            "text": np.full(shape, "a.json"),
        }.get(expected.kind, rng.normal(size=shape).astype(np.float32))
    return members


def write_fits(path, **changes):
    people = len(changes["frame"])
    columns = arrays(FitTable, P=people) | changes
    write_table(path, {}, [], checked_columns(path, FitTable, columns).items())
    return columns


def write_person(path, **said):
    provenance = Provenance(
        **{
            "source": "a.json",
            "person_index": 0,
            "photo": "",
            "weights": "w.npz",
            "weights_sha256": "0" * 64,
            "body": "open",
            "body_sha256": "1" * 64,
            "package_version": "0",
            "seed": 0,
            **said,
        }
    )
    members = arrays(PersonResult)
    members["pose_rotmat"] = np.tile(np.eye(3, dtype=np.float32), (3, 24, 1, 1))
    write_result(path, PersonResult(provenance=provenance, **members))
    return members


def test_identities_are_people(tmp_path):
    wrote = write_fits(
        tmp_path / "fits.npz",
        frame=np.array([5, 3, 3, 9]),
        track_id=np.array(["7", "7", "a/b", "7"]),
    )
    by_name = {track.name: track for track in read_tracks(tmp_path, "fit")}
    assert set(by_name) == {"track_7", "track_a_b"}
    track = by_name["track_7"]
    assert track.frames.tolist() == [3, 5, 9]
    order = [1, 0, 3]
    np.testing.assert_allclose(track.betas, wrote["fit_betas"][order])
    turned = Rotation.from_matrix(track.rotmats[:, 4]).as_rotvec()
    turn = Rotation.from_rotvec(wrote["fit_pose_axis_angle"][order, 4]).as_rotvec()
    np.testing.assert_allclose(turned, turn, atol=1e-6)
    placed = wrote["fit_joints"] + wrote["fit_translation"][:, None]
    np.testing.assert_allclose(track.joints, placed[order], rtol=1e-6)
    first = read_tracks(tmp_path / "fits.npz", "2")[0]
    at = wrote["joints"][:, 2] + wrote["translation"][:, None]
    np.testing.assert_allclose(first.joints, at[order], rtol=1e-6)


def test_people_of_two_videos_or_of_like_names_stay_apart(tmp_path):
    write_fits(
        tmp_path / "fits.npz",
        frame=np.array([0, 1, 0, 1, 0, 1]),
        source=np.array(["a.json"] * 2 + ["b.json"] * 2 + ["a.json"] * 2),
        track_id=np.array(["1"] * 4 + ["1/", "1/"]),
    )
    tracks = read_tracks(tmp_path / "fits.npz", "fit")
    names = [track.name for track in tracks]
    assert names == ["track_1", "track_1_2", "track_1_"]
    assert [track.frames.tolist() for track in tracks] == [[0, 1]] * 3


def test_numbers_that_are_no_frames_are_refused(tmp_path):
    path = tmp_path / "fits.npz"
    write_fits(path, frame=np.array([0, 2**40]), track_id=np.array(["1", "1"]))
    with pytest.raises(InputError, match=f"track_1 is seen from frame 0 to {2**40}"):
        read_tracks(path, "fit")


def test_one_person_alone_in_every_picture_is_one_movement(tmp_path):
    names = [f"v_{number}_keypoints.json" for number in (10, 9, 100)]
    wrote = write_fits(
        tmp_path / "fits.npz",
        frame=np.full(3, -1),
        track_id=np.full(3, ""),
        source=np.array(names),
    )
    (track,) = read_tracks(tmp_path / "fits.npz", "fit")
    # Numbers in names count as numbers: 9 comes before 10.
    np.testing.assert_allclose(track.betas, wrote["fit_betas"][[1, 0, 2]])
    assert track.frames.tolist() == [0, 1, 2]


def test_nobody_is_taken_for_another_without_identities(tmp_path):
    write_fits(
        tmp_path / "fits.npz",
        frame=np.array([0, 0, 1, 1]),
        person_index=np.array([0, 1, 0, 1]),
        track_id=np.full(4, ""),
    )
    tracks = read_tracks(tmp_path / "fits.npz", "fit")
    assert [len(track.frames) for track in tracks] == [1, 1, 1, 1]
    assert len({track.name for track in tracks}) == 4


def test_a_person_twice_in_a_frame_is_refused(tmp_path):
    path = tmp_path / "fits.npz"
    write_fits(path, frame=np.array([4, 4]), track_id=np.array(["1", "1"]))
    with pytest.raises(InputError, match="track_1 is twice in frame 4"):
        read_tracks(path, "fit")


@pytest.mark.parametrize("which", ["3", "-1", "best"])
def test_hypotheses_that_are_not_there(tmp_path, which):
    path = tmp_path / "fits.npz"
    write_fits(path, frame=np.array([4]), track_id=np.array(["1"]))
    with pytest.raises(InputError, match=f'3 hypotheses, of which "{which}" is none'):
        read_tracks(path, which)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04nothing"])
def test_files_that_are_no_results(tmp_path, content):
    path = tmp_path / "x.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.npz"):
        read_tracks(path, "fit")
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="has no .npz file"):
        read_tracks(empty, "fit")


def test_the_mode_writes_every_format(tmp_path, capsys):
    members = write_person(tmp_path / "in" / "b_person1.npz", frame=12, person_index=1)
    write_person(tmp_path / "in" / "a_person0.npz", frame=10, person_index=0)
    config = config_of(
        "export", input=str(tmp_path / "in"), output=str(tmp_path / "out")
    )
    paths = run_export(config)
    assert [path.name for path in paths] == [
        "person.glb", "person.bvh", "person_amass.npz", "person.trc", "person.csv",
    ]  # fmt: skip
    assert all(path.is_file() for path in paths)
    assert "1 person, 5 files" in capsys.readouterr().out
    rows = np.loadtxt(tmp_path / "out" / "person.trc", skiprows=6)
    # Frames 10 to 12; the one between is half way.
    assert len(rows) == 3
    np.testing.assert_allclose(rows[1, 2:], (rows[0, 2:] + rows[2, 2:]) / 2, atol=2e-6)
    nose = (members["joints"][0, 0] + members["translation"]) * [1, -1, -1]
    np.testing.assert_allclose(rows[2, 2:5], nose, atol=1e-6)


def test_meshes_of_any_hypothesis_are_written_for_each_frame(tmp_path):
    rng = np.random.default_rng(5)
    columns = write_fits(
        tmp_path / "fits.npz",
        frame=np.array([4, 6]),
        track_id=np.array(["1", "1"]),
        pose_axis_angle=rng.normal(0, 0.4, (2, 3, 24, 3)).astype("f"),
    )
    config = config_of(
        "export", input=str(tmp_path), output=str(tmp_path / "out"),
        hypothesis="2", formats=("obj", "ply"),
    )  # fmt: skip
    paths = run_export(config)
    assert [path.name for path in paths] == [
        "track_1_frame000004.obj", "track_1_frame000004.ply",
        "track_1_frame000006.obj", "track_1_frame000006.ply",
    ]  # fmt: skip
    body = read_body("open")
    rotvec = columns["pose_axis_angle"][:, 2].reshape(-1, 3)
    rotmats = Rotation.from_rotvec(rotvec).as_matrix().reshape(2, 24, 3, 3)
    smpl = SmplParams.from_rotmats(rotmats.astype("f"), columns["betas"])
    vertices = np.asarray(body_mesh(body, smpl).vertices, float)
    placed = (vertices + columns["translation"][:, None]) * [1, -1, -1]
    for path, expected in zip(paths, np.repeat(placed, 2, axis=0), strict=True):
        # OpenCV reads both formats with code of its own.
        read, faces = cv2.loadMesh(str(path))[:2]
        np.testing.assert_allclose(read.reshape(-1, 3), expected, atol=2e-5)
        np.testing.assert_array_equal(np.reshape(faces, (-1, 3)), body.faces)


def test_another_body_is_refused(tmp_path):
    write_fits(
        tmp_path / "fits.npz",
        frame=np.array([1]),
        track_id=np.array([""]),
        betas=np.zeros((1, 3), np.float32),
        fit_betas=np.zeros((1, 3), np.float32),
    )
    config = config_of("export", input=str(tmp_path), output=str(tmp_path / "out"))
    with pytest.raises(InputError, match="shape coefficients"):
        run_export(config)
    assert not (tmp_path / "out").exists()


def test_movements_that_were_exported_before_are_no_results(tmp_path):
    write_fits(
        tmp_path / "person1.npz",
        frame=np.arange(3),
        track_id=np.full(3, "1"),
        source=np.full(3, "a.mp4"),
    )
    np.savez(tmp_path / "track_1_amass.npz", poses=np.zeros((3, 72)))
    assert [len(track.frames) for track in read_tracks(tmp_path, "fit")] == [3]
