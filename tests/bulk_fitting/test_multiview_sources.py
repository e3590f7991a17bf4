"""Cameras that cannot be right, and views of other people, are named before fits."""

import json
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from prohmr_jax.bulk_fitting.multiview_sources import open_multiview_source
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from tests.support.view_scenes import (
    detections_of,
    own_cameras,
    people_in_room,
    ring_of_cameras,
    shown_by,
)

NAMES = ("a", "b", "c")
RIG = ring_of_cameras(3)
PEOPLE = people_in_room(np.random.default_rng(0), 3)


@pytest.fixture
def folder(tmp_path):
    """Two people in three views each, with their cameras."""
    for number, person in enumerate("pq"):
        (tmp_path / person).mkdir()
        for camera, name in enumerate(NAMES):
            text = detections_of(shown_by(RIG, camera, PEOPLE[number]))
            (tmp_path / person / f"{name}_keypoints.json").write_text(text)
    write_cameras(tmp_path)
    return tmp_path


def write_cameras(folder, cameras=None, name="cameras.json"):
    cameras = own_cameras(RIG, NAMES) if cameras is None else cameras
    (folder / name).write_text(json.dumps(cameras))


def opened(path, use_cameras=True):
    return open_multiview_source(
        path, PeopleReader(ReadingSettings()), None, use_cameras
    )


def test_good_cameras_are_used(folder):
    source = opened(folder)
    assert source.calibrated
    item = source.read(1)
    assert item.left_out == []
    assert [view.source for view in item.people[0].views] == [
        f"q/{name}_keypoints.json" for name in NAMES
    ]
    np.testing.assert_allclose(item.people[0].views[2].intrinsics, RIG.intrinsics[2])


def changed(number, **entries):
    cameras = own_cameras(RIG, NAMES)
    cameras[NAMES[number]] |= entries
    return cameras


def in_millimetres():
    cameras = own_cameras(RIG, NAMES)
    for camera in cameras.values():
        camera["t"] = [1000 * value for value in camera["t"]]
    return cameras


def tilted():
    """Cameras that stand where they stood, and say that they look up or down."""
    cameras = own_cameras(RIG, NAMES)
    for camera, angle in zip(cameras.values(), (0.7, -0.7, 1.4), strict=True):
        turn = Rotation.from_euler("x", angle).as_matrix()
        camera["R"], camera["t"] = (turn @ camera[key] for key in "Rt")
    return {
        name: {key: np.asarray(value).tolist() for key, value in camera.items()}
        for name, camera in cameras.items()
    }


BAD = {
    "distortion": (changed(1, dist=[-0.2, 0.05, 0, 0]),
                   "camera b has coefficients of lens distortion (dist)"),
    "unknown": (changed(1, focal=3), 'camera b has an unknown key "focal"'),
    "29 mm": (changed(0, K=[[29, 0, 960], [0, 29, 540], [0, 0, 1]]),
              "camera a: a focal length (K) of 29 pixels means a field of view of 177 "
              "degrees in a picture of 1920 pixels"),
    "millimetres": (in_millimetres(), "has translations that look like millimetres"),
    "camera to world": (own_cameras(RIG.inverted(), NAMES),
                        "look like camera-to-world transformations"),
    "other names": (own_cameras(RIG, ("cam0", "cam1", "cam2")),
                    "has cameras of no view: they are named cam0, cam1, cam2, and the "
                    "views a, b, c"),
    "looking elsewhere": (tilted(), "the views of no person show one"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_cameras_are_refused(folder, name):
    cameras, fault = BAD[name]
    write_cameras(folder, cameras)
    with pytest.raises(InputError, match=re.escape(fault)) as caught:
        opened(folder)
    assert caught.value.path == str(folder / "cameras.json")
    if name in ("millimetres", "other names"):
        assert not opened(folder, use_cameras=False).calibrated


def test_cameras_of_one_person_that_have_other_names(folder):
    write_cameras(folder / "q", own_cameras(RIG, ("x", "y", "z")))
    with pytest.raises(InputError, match="has cameras of no view") as caught:
        opened(folder)
    assert caught.value.path == str(folder / "q" / "cameras.json")


def test_a_view_of_another_person_is_left_out(folder):
    text = detections_of(shown_by(RIG, 1, PEOPLE[2]))
    (folder / "p" / "b_keypoints.json").write_text(text)
    source = opened(folder)
    item = source.read(0)
    assert [view.source[2] for view in item.people[0].views] == ["a", "c"]
    assert len(item.people[0].cameras) == 2
    assert item.left_out == [
        "p, p/b_keypoints.json: shows another person than the other views, by the "
        "cameras"
    ]
    # Of two views, nobody knows which is of another person.
    (folder / "p" / "c_keypoints.json").unlink()
    item = opened(folder).read(0)
    assert item.people == ()
    assert item.left_out == ["p: its views show no one person, by the cameras"]
    assert len(opened(folder, use_cameras=False).read(0).people[0].views) == 2


def manifest(**changes):
    views = [{"detections": f"p/{n}_keypoints.json", "camera": n} for n in NAMES]
    return {"people": [{"person": "p", "views": views}], **changes}


def test_manifests_name_their_cameras_and_nothing_else(folder):
    path = folder / "people.json"
    path.write_text(json.dumps(manifest()))
    assert opened(path).calibrated
    content = manifest()
    for view in content["people"][0]["views"]:
        del view["camera"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"has cameras \(a, b, c\), but no view names"):
        opened(path)
    assert not opened(path, use_cameras=False).calibrated
    for text in (
        manifest(camera={}),
        {"people": [{"person": "p", "views": [], "frame": 3}]},
        {"people": [{"views": [{"detections": "a", "person_indx": 3}]}]},
    ):
        path.write_text(json.dumps(text))
        with pytest.raises(InputError, match="has an unknown key"):
            opened(path)


def test_a_view_does_not_count_twice(folder):
    path, content = folder / "people.json", manifest()
    views = content["people"][0]["views"]
    views.append({"detections": f"q/../{views[0]['detections']}", "camera": "b"})
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="person p has the same view twice: p/a_key"):
        opened(path)
    views[-1]["person_index"] = 1  # another person of the same file
    path.write_text(json.dumps(content))
    assert opened(path).max_views == 4
