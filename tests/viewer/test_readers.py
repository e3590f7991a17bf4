"""Results of every mode become people with bodies in one frame."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.tables import FitTable
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.errors import InputError
from prohmr_jax.inference.results import write_result
from prohmr_jax.viewer import readers
from prohmr_jax.viewer.people import FIT, MODE, SAMPLE, VIEW
from prohmr_jax.viewer.readers import read_people
from tests.support.result_cases import cube_result, write_some_table


def matrices(axis_angle: np.ndarray) -> np.ndarray:
    flat = Rotation.from_rotvec(np.asarray(axis_angle, float).reshape(-1, 3))
    return flat.as_matrix().reshape(*axis_angle.shape, 3)


def kinds(person) -> list[str]:
    return [bodies.kind for bodies in person.bodies]


def test_results_of_the_demo(tmp_path):
    result = cube_result()
    for name in ("a_person10", "a_person2"):
        write_result(tmp_path / f"{name}.npz", result)
    for name in ("a_overlay.png", "a_person2_sheet.png"):
        (tmp_path / name).touch()
    second, tenth = read_people(tmp_path)
    assert (second.name, tenth.name) == ("a_person2", "a_person10")
    assert kinds(second) == [MODE] + [SAMPLE] * 4
    assert [b.log_prob for b in second.bodies] == pytest.approx(result.log_prob)
    for number, bodies in enumerate(second.bodies):
        np.testing.assert_allclose(bodies.rotmats[0], result.pose_rotmat[number])
        np.testing.assert_allclose(bodies.betas[0], result.betas)
        np.testing.assert_allclose(bodies.translation[0], result.translation)
    assert [p.name for p in second.pictures] == ["a_overlay.png", "a_person2_sheet.png"]
    assert [p.name for p in tenth.pictures] == ["a_overlay.png"]
    assert second.verdict == ""
    assert (second.body, second.body_sha256) == ("open", "1" * 64)
    np.testing.assert_allclose(second.cameras[0].intrinsics, result.intrinsics)
    assert read_people(tmp_path / "a_person2.npz")[0].name == "a_person2"


def test_a_table_of_fits(tmp_path):
    table = write_some_table(
        tmp_path / "fits.npz",
        FitTable,
        fit_plausible=np.array([1, 0]),
        fit_implausible_reason=np.array(["", "tall"]),
        source=np.array(["a.json", "b.json"]),
        track_id=np.array(["", ""]),
        photo=np.array(["a.jpg", "a.jpg"]),
        frame=np.array([-1, -1]),
        provenance={"body": "a.npz", "body_sha256": "2" * 64},
    )
    (tmp_path / "overlays").mkdir()
    (tmp_path / "overlays" / "000001_before_after.png").touch()
    people = read_people(tmp_path)
    assert [person.verdict for person in people] == ["", "tall"]
    assert [person.body for person in people] == ["a.npz", "a.npz"]
    assert people[0].body_sha256 == "2" * 64
    assert [len(person.pictures) for person in people] == [0, 1]
    person = people[1]
    assert kinds(person) == [FIT, MODE] + [SAMPLE] * 4
    fit, mode = person.bodies[:2]
    np.testing.assert_allclose(
        fit.rotmats[0], matrices(table.fit_pose_axis_angle[1]), atol=1e-6
    )
    np.testing.assert_allclose(
        mode.rotmats[0], matrices(table.pose_axis_angle[1, 0]), atol=1e-6
    )
    samples = np.asarray(table.joints[1, 1:], float)
    expected = np.sqrt(samples.var(axis=0).sum(axis=-1))
    np.testing.assert_allclose(person.joint_spread, expected, rtol=1e-5)


def test_a_table_of_one_hypothesis_has_no_spread(tmp_path):
    alone = {"frame": np.array([-1]), "track_id": np.array([""])}
    table = write_some_table(tmp_path / "fits.npz", FitTable, people=1, **alone)
    columns = {
        name: getattr(table, name)[:, :1]
        for name in ("pose_axis_angle", "log_prob", "joints")
    }
    write_some_table(tmp_path / "fits.npz", FitTable, people=1, **alone, **columns)
    (person,) = read_people(tmp_path / "fits.npz")
    assert kinds(person) == [FIT, MODE]
    assert person.joint_spread is None


def test_identities_over_frames_are_one_person_each(tmp_path):
    table = write_some_table(
        tmp_path / "fits.npz",
        FitTable,
        people=4,
        source=np.array(["v.json"] * 4),
        photo=np.array([""] * 4),
        frame=np.array([7, 3, 3, 7]),
        track_id=np.array(["x", "x", "y", "y"]),
    )
    people = {person.name: person for person in read_people(tmp_path)}
    assert set(people) == {"track_x", "track_y"}
    person = people["track_x"]
    assert person.frames.tolist() == [3, 7]
    assert kinds(person) == [FIT, MODE]
    np.testing.assert_allclose(
        person.bodies[0].translation, table.fit_translation[[1, 0]], atol=1e-6
    )
    np.testing.assert_allclose(
        person.bodies[1].rotmats, matrices(table.pose_axis_angle[[1, 0], 0]), atol=1e-6
    )


def test_people_of_a_video_have_a_table_each(tmp_path):
    for number in (1, 2):
        write_some_table(
            tmp_path / f"person{number}.npz",
            FitTable,
            people=3,
            source=np.array(["v.mp4"] * 3),
            photo=np.array([""] * 3),
            frame=np.array([0, 1, 2]),
            track_id=np.array([str(number)] * 3),
            fit_plausible=np.array([1, 2 - number, 1]),
        )
    np.savez(tmp_path / "track_1_amass.npz", poses=np.zeros((3, 156)))
    people = read_people(tmp_path)
    assert [person.name for person in people] == ["track_1", "track_2"]
    assert [person.verdict for person in people] == ["", "1 of 3 frames"]
    assert {len(person.frames) for person in people} == {3}


def test_calibrated_views_are_in_the_axes_of_the_first(tmp_path):
    turns = Rotation.random(6, rng=0).as_matrix().reshape(2, 3, 3, 3)
    table = write_some_table(
        tmp_path / "views.npz",
        WorldTable,
        camera_rotation=turns,
        valid=np.array([[1, 1, 1], [0, 1, 1]]),
        fit_plausible=np.array([[1, 0, 0], [1, 1, 1]]),
        fit_implausible_reason=np.array([["", "tall", "tall"], ["", "", ""]]),
    )
    people = read_people(tmp_path)
    assert [person.verdict for person in people] == ["tall", ""]
    point = np.array([0.3, -0.2, 1.7])
    for p, (person, views) in enumerate(zip(people, ([0, 1, 2], [1, 2]), strict=True)):
        first = views[0]
        world = [(turns[p, v] @ point + table.camera_translation[p, v]) for v in views]
        for camera, expected in zip(person.cameras, world, strict=True):
            seen = camera.rotation @ world[0] + camera.translation
            np.testing.assert_allclose(seen, expected, atol=1e-5)
        assert kinds(person) == [FIT] + [VIEW] * len(views)
        fit = person.bodies[0]
        np.testing.assert_allclose(
            fit.rotmats[0, 0],
            turns[p, first] @ matrices(table.world_orient[p]),
            atol=1e-5,
        )
        np.testing.assert_allclose(
            fit.rotmats[0, 1:], matrices(table.fit_body_pose[p]), atol=1e-6
        )
        np.testing.assert_allclose(fit.translation[0], table.fit_translation[p, first])
        # A root that a view sees is turned back to the first camera's axes.
        last = person.bodies[-1].rotmats[0, 0]
        np.testing.assert_allclose(
            person.cameras[-1].rotation @ last,
            matrices(table.pose_axis_angle[p, views[-1], 0]),
            atol=1e-5,
        )


def test_views_without_calibration_face_as_the_one_body_does(tmp_path):
    table = write_some_table(tmp_path / "views.npz", ViewsTable)
    person = read_people(tmp_path)[0]
    assert len(person.cameras) == 1
    roots = np.stack([bodies.rotmats[0, 0] for bodies in person.bodies])
    expected = matrices(table.fit_pose_axis_angle[0, 0, 0])
    np.testing.assert_allclose(roots, np.broadcast_to(expected, roots.shape), atol=1e-6)


def test_only_the_first_people_of_a_table_are_read(tmp_path, monkeypatch, caplog):
    write_some_table(tmp_path / "views.npz", ViewsTable)
    monkeypatch.setattr(readers, "MAX_PEOPLE", 1)
    assert len(read_people(tmp_path)) == 1
    assert "the first 1 of 2 people are shown" in caplog.text


@pytest.mark.parametrize("name", ["nowhere", "empty", "other.npz"])
def test_what_is_no_result_is_one_line(tmp_path, name):
    (tmp_path / "empty").mkdir()
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    with pytest.raises(InputError, match=name):
        read_people(tmp_path / name)
