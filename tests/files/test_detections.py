"""What detectors write, good and bad, and what is made of it."""

import json
import pathlib

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats import raw
from prohmr_jax.files.detections import read_detections
from prohmr_jax.skeleton import BODY_25, COCO_17
from tests.support.paths import SHARED


def a_person(num_joints: int = 25, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(10, 400, (num_joints, 2)).round(2)
    confidence = rng.uniform(0.3, 1, (num_joints, 1)).round(3)
    return np.concatenate([xy, confidence], 1).ravel().tolist()


def openpose(*people: list, key: str = "pose_keypoints_2d") -> dict:
    return {"version": 1.3, "people": [{key: p} for p in people]}


@pytest.fixture
def written(tmp_path):
    def write(content) -> pathlib.Path:
        path = tmp_path / "photo_keypoints.json"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content)
        else:
            path.write_text(json.dumps(content))
        return path

    return write


@pytest.mark.parametrize("key", ["pose_keypoints_2d", "pose_keypoints"])
def test_openpose_numbers_arrive_in_place(written, key):
    values = a_person()
    detections = read_detections(written(openpose(values, key=key)))
    (person,) = detections.people
    assert detections.left_out == ()
    assert person.source == raw.OPENPOSE
    for name in ("nose", "left_wrist", "right_heel"):
        j = BODY_25.index(name)
        xy, confidence = values[3 * j : 3 * j + 2], values[3 * j + 2]
        np.testing.assert_allclose(person.keypoints.xy[j], xy, rtol=1e-6)
        np.testing.assert_allclose(person.keypoints.confidence[j], confidence)


def test_people_keep_their_numbers_when_one_is_left_out(written):
    unseen = (np.array(a_person()).reshape(-1, 3) * [1, 1, 0.05]).ravel().tolist()
    people = [a_person(), unseen, [], a_person(seed=3)]
    detections = read_detections(written(openpose(*people)))
    assert [p.person_index for p in detections.people] == [0, 3]
    assert [p.person_index for p in detections.left_out] == [1, 2]
    assert "no joint with a confidence above 0.1" in detections.left_out[0].reason
    assert "no body keypoints" in detections.left_out[1].reason


def test_a_bad_number_costs_its_person_alone(written):
    values = a_person()
    values[0] = float("nan")
    short = a_person()[:-3]
    detections = read_detections(written(openpose(values, a_person(), short)))
    assert [p.person_index for p in detections.people] == [1]
    assert [p.reason[:35] for p in detections.left_out] == [
        "has a value of nose that is not fin",
        "has 24 joints instead of the 25 of ",
    ]


def test_the_threshold_is_the_callers(written):
    values = np.array(a_person()).reshape(25, 3)
    values[:, 2] = 0.3
    path = written(openpose(values.ravel().tolist()))
    assert len(read_detections(path, min_confidence=0.2).people) == 1
    with pytest.raises(InputError, match="confidence above 0.5"):
        read_detections(path, min_confidence=0.5)


def test_confidences_a_little_above_one_are_one(written):
    values = a_person()
    values[2], values[5] = 1.04, -0.01
    (person,) = read_detections(written(openpose(values))).people
    assert person.keypoints.confidence[0] == 1.0
    assert person.keypoints.confidence[1] == 0.0


def check_against_coco(keypoints, values):
    """Joint by joint, in the words of the two sets' definitions."""
    values = np.array(values).reshape(17, 3)
    for j, name in enumerate(BODY_25.names):
        if name in COCO_17.names:
            expected = values[COCO_17.names.index(name)]
        elif name in ("neck", "mid_hip"):
            part = {"neck": "shoulder", "mid_hip": "hip"}[name]
            left = values[COCO_17.names.index(f"left_{part}")]
            right = values[COCO_17.names.index(f"right_{part}")]
            expected = [*(left + right)[:2] / 2, min(left[2], right[2])]
        else:
            assert "toe" in name or "heel" in name
            assert keypoints.confidence[j] == 0
            continue
        np.testing.assert_allclose(keypoints.xy[j], expected[:2], rtol=1e-6)
        np.testing.assert_allclose(keypoints.confidence[j], expected[2], rtol=1e-6)


def test_coco_results(written):
    values = a_person(17)
    item = {"image_id": 7, "category_id": 1, "keypoints": values, "score": 0.9}
    (person,) = read_detections(written([item])).people
    assert person.source == raw.COCO_RESULTS
    assert person.image_name is None
    check_against_coco(person.keypoints, values)


def test_coco_joints_inside_openpose_json(written):
    values = a_person(17)
    (person,) = read_detections(written(openpose(values))).people
    check_against_coco(person.keypoints, values)


def test_coco_annotations_turn_visibility_into_confidence(written):
    values = np.array(a_person(17)).reshape(17, 3)
    values[:, 2] = np.arange(17) % 3
    item = {"image_id": 7, "keypoints": values.ravel().tolist(), "num_keypoints": 11}
    crowd = {"image_id": 7, "keypoints": [0] * 51, "num_keypoints": 0}
    file = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 8, "file_name": "b.jpg"}],
        "annotations": [item, crowd],
    }
    detections = read_detections(written(file))
    (person,) = detections.people
    assert person.source == raw.COCO_ANNOTATIONS
    assert person.image_name == "a.jpg"
    values[:, 2] /= 2
    check_against_coco(person.keypoints, values)
    assert [p.person_index for p in detections.left_out] == [1]


def changed(index: int, value) -> dict:
    values = a_person()
    values[index] = value
    return openpose(values)


def shrunk(factor: float) -> list[float]:
    values = np.array(a_person()).reshape(25, 3) * [factor, factor, 1]
    return values.ravel().tolist()


WRIST_X = 3 * BODY_25.index("left_wrist")
BAD = {
    "empty": (b"", "is empty"),
    "blank": (b" \n ", "is empty"),
    "truncated": (json.dumps(openpose(a_person()))[:200], "is truncated"),
    "truncated in a string": ('{"version":1.3,"peo', "is truncated"),
    "not text": (b"\xff\xfe\x00\x81", "not text in UTF-8"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "not text in UTF-8"),
    "words": ("no json here", "is not JSON"),
    "a number": ("3", "neither OpenPose"),
    "another object": ({"results": []}, "neither OpenPose"),
    "a list of other things": ([{"box": [1, 2]}], 'nothing in it has "keypoints"'),
    "a list of numbers": ([1, 2, 3], "not a list of JSON objects"),
    "people is a number": ({"people": 3}, '"people" is not a list'),
    "people are strings": ({"people": ["a"]}, '"people" is not a list'),
    "no people": (openpose(), "no people"),
    "no COCO people": ([], "no people"),
    "no body": ({"people": [{"hand_left_keypoints_2d": []}]}, "person 0 has no"),
    "18 joints": (openpose(a_person(18)), "18 joints instead of the 25"),
    "24 joints": (openpose(a_person(24)), "24 joints instead of the 25"),
    "74 values": (openpose(a_person()[:-1]), "not a multiple of 3"),
    "18 COCO joints": ([{"keypoints": a_person(18), "score": 1}], "18 joints instead"),
    "NaN": (changed(WRIST_X, float("nan")), "person 0 has a value of left_wrist"),
    "infinite": (changed(WRIST_X + 1, float("inf")), "has a value of left_wrist"),
    "1e999": (json.dumps(changed(WRIST_X, 7777777)).replace("7777777", "1e999"),
              "person 0 has a value of left_wrist"),
    "beyond float32": (
        changed(WRIST_X, 1e300),
        "has left_wrist at a position that no photo has",
    ),
    "400 digits": (changed(WRIST_X, 10**400), "value of left_wrist that is not fin"),
    "9000 digits": (
        json.dumps(changed(WRIST_X, 7777777)).replace("7777777", "9" * 9000),
        "number that is far too long",
    ),
    "a string": (changed(WRIST_X, "12"), "not a list of numbers"),
    "null": (changed(WRIST_X, None), "not a list of numbers"),
    "true": (changed(WRIST_X, True), "not a list of numbers"),
    "nested lists": (openpose([[1, 2, 3]] * 25), "not a list of numbers"),
    "an object": ({"people": [{"pose_keypoints_2d": {}}]}, "not a list of numbers"),
    "percent": (changed(WRIST_X + 2, 87.0), "has confidence 87 of left_wrist"),
    "deep": ("[" * 200_000, "nested too deeply"),
    "deep people": ('{"people":' * 100_000, "nested too deeply"),
    "unseen": (openpose([100.0, 100.0, 0.0] * 25), "none of its 1 people"),
    "one joint": (openpose([9.0, 9.0, 0.9] + [0.0] * 72), "only one joint"),
    "shares of the image": (openpose(shrunk(1 / 1000)), "must be in pixels"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_in_one_line(written, name):
    content, fault = BAD[name]
    path = written(content)
    with pytest.raises(InputError) as caught:
        read_detections(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert fault in message
    assert "\n" not in message
    assert len(message) < 300


def test_a_missing_file_and_a_folder(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InputError, match="cannot be read"):
            read_detections(path)


def test_a_byte_order_mark_is_no_fault(written):
    data = b"\xef\xbb\xbf" + json.dumps(openpose(a_person())).encode()
    assert len(read_detections(written(data)).people) == 1


def test_real_openpose_output():
    path = SHARED / "data/pexels-anete-lusina-4793258_keypoints.json"
    if not path.exists():
        pytest.skip("shared material is absent")
    detections = read_detections(path)
    person = detections.people[0].keypoints
    assert (person.confidence > 0.1).sum() > 15
    heads, feet = (person.xy[BODY_25.index(n), 1] for n in ("neck", "left_ankle"))
    assert heads < feet  # y points down


BOX_FILES = {
    "ours": {"boxes": [[10, 20, 30, 60]]},
    "COCO": [
        {"image_id": "a.jpg", "bbox": [10, 20, 30, 60], "score": 0.9, "category_id": 1},
        {"image_id": "a.jpg", "bbox": [1, 2, 3, 4], "score": 0.9, "category_id": 17},
    ],
}


@pytest.mark.parametrize("name", BOX_FILES)
def test_plain_boxes_are_people_where_asked_for(tmp_path, name):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps(BOX_FILES[name]))
    (person,) = read_detections(path, accept_boxes=True).people
    np.testing.assert_allclose(person.box.center, [25, 50])
    np.testing.assert_allclose(person.box.size, 72)
    assert not person.keypoints.confidence.any()
    with pytest.raises(InputError, match="no body keypoints"):
        read_detections(path)


@pytest.mark.parametrize(
    "box", [None, [1, 2, 3], [1, 2, float("inf"), 4], [1, 2, 0, 0], ["a", 2, 3, 4], 7]
)
def test_bad_boxes_leave_their_person_out(tmp_path, box):
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"boxes": [[10, 20, 30, 60], box]}))
    detections = read_detections(path, accept_boxes=True)
    assert len(detections.people) == 1
    (left,) = detections.left_out
    assert left.person_index == 1
    assert "box" in left.reason
