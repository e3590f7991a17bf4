"""What detectors write, good and bad, and what is made of it."""

import json
import pathlib

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files import detected_keypoints
from prohmr_jax.files.detection_formats import raw
from prohmr_jax.files.detections import read_detections
from prohmr_jax.skeleton import BODY_25, COCO_17, OPENPOSE_18
from tests.support.paths import SHARED


def a_person(num_joints: int = 25, seed: int = 0) -> list[float]:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(10, 400, (num_joints, 2)).round(2)
    if num_joints == len(BODY_25):  # OpenPose has these between their neighbours
        for middle, part in (("neck", "shoulder"), ("mid_hip", "hip")):
            sides = list(BODY_25.indices(f"left_{part}", f"right_{part}"))
            xy[BODY_25.index(middle)] = xy[sides].mean(0).round(2)
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


BAD_NUMBERS = (
    float("nan"), None, float("inf"), 1e300, 10**400, "left", "nan", "np.float32(nan)",
    True, [3], 2e6,
)  # fmt: skip


@pytest.mark.parametrize("value", BAD_NUMBERS, ids=repr)
@pytest.mark.parametrize("place", [0, 1])
def test_a_bad_position_costs_its_joint_alone(written, place, value):
    bad = a_person()
    bad[3 * BODY_25.index("left_wrist") + place] = value
    (person,) = read_detections(written(openpose(bad))).people
    wrist = BODY_25.index("left_wrist")
    assert person.keypoints.confidence[wrist] == 0
    assert not person.keypoints.xy[wrist].any()
    others = np.delete(np.array(a_person()).reshape(25, 3), wrist, axis=0)
    xy, confidence = (
        np.delete(array, wrist, axis=0)
        for array in (person.keypoints.xy, person.keypoints.confidence)
    )
    np.testing.assert_allclose(xy, others[:, :2], rtol=1e-6)
    np.testing.assert_allclose(confidence, others[:, 2], rtol=1e-6)


def test_joints_that_a_file_is_sure_of_are_not_lost_silently(written, caplog):
    values = np.array(a_person()).reshape(25, 3)
    values[3], values[4] = [np.nan, np.nan, 0.0], [np.nan, 5.0, np.nan]
    read_detections(written(openpose(values.ravel().tolist())))
    assert not caplog.records
    values[5, 0] = np.nan
    read_detections(written(openpose(values.ravel().tolist(), a_person())))
    (record,) = caplog.records
    assert record.getMessage().endswith("person 0: joints at no usable position, "
                                        "which count as missing: 1")  # fmt: skip


def test_a_bad_person_costs_itself_alone(written):
    people = [
        a_person()[:-3], None, 3, {"hand_left_keypoints_2d": []},
        {"pose_keypoints_2d": None}, {"pose_keypoints_2d": [None] * 75},
    ]  # fmt: skip
    content = openpose(a_person(), *people[:1])
    content["people"] += people[1:]
    content["people"].append(openpose(a_person(seed=3))["people"][0])
    detections = read_detections(written(content))
    assert [p.person_index for p in detections.people] == [0, 7]
    assert [p.reason[:20] for p in detections.left_out] == [
        "has 24 joints instea", *["has no body keypoint"] * 4, "has keypoints that a",
    ]  # fmt: skip


def test_a_null_flag_makes_annotations_no_results(written):
    values = np.array(a_person(17)).reshape(17, 3)
    values[:, 2] = 2
    flat = values.ravel().tolist()
    flat[3:6] = [None, None, None]
    item = {"image_id": 7, "keypoints": flat}
    (person,) = read_detections(written({"annotations": [item]})).people
    assert person.source == raw.COCO_ANNOTATIONS
    assert person.keypoints.confidence[BODY_25.index("left_eye")] == 0
    assert person.keypoints.confidence[BODY_25.index("nose")] == 1


def test_pictures_and_identities_are_kept(written):
    values = a_person(17)
    results = [
        {"image_id": image, "keypoints": values, "score": 0.9, **track}
        for image, track in (
            (255037, {"track_id": 3}), ("000001.jpg", {"idx": 4.0}),
            ("seq/7", {"idx": [5]}), ("", {"idx": -1}), (None, {"idx": "a"}),
        )
    ]  # fmt: skip
    people = read_detections(written(results)).people
    assert [p.image_id for p in people] == ["255037", "000001.jpg", "seq/7", None, None]
    assert [p.image_name or None for p in people] == [
        None, "000001.jpg", "seq/7", None, None,
    ]  # fmt: skip
    assert [p.track_id for p in people] == ["3", "4", "5", None, "a"]
    annotations = {
        "images": [{"id": 8, "file_name": "b.jpg", "width": 640, "height": 480},
                   {"id": 9, "width": "wide", "height": 480}],
        "annotations": [{"image_id": 8, "keypoints": values},
                        {"image_id": 9, "keypoints": values}],
    }  # fmt: skip
    first, second = read_detections(written(annotations)).people
    assert (first.image_name, first.image_id, first.image_size) == (
        "b.jpg", "8", (640, 480),
    )  # fmt: skip
    assert (second.image_name, second.image_id, second.image_size) == (None, "9", None)
    tracked = openpose(a_person(), a_person())
    tracked["people"][0]["person_id"] = [-1]
    tracked["people"][1]["person_id"] = [2]
    tracks = [p.track_id for p in read_detections(written(tracked)).people]
    assert tracks == [None, "2"]


@pytest.mark.parametrize("form", ["{!r}", "np.float32({!r})", " {!r} ", "tensor({!r})"])
def test_numbers_may_be_text(written, form):
    values = a_person()
    text = [form.format(value) for value in values]
    (expected,) = read_detections(written(openpose(values))).people
    (person,) = read_detections(written(openpose(text))).people
    np.testing.assert_array_equal(person.keypoints.xy, expected.keypoints.xy)


@pytest.mark.parametrize("to_text", [str, repr, lambda a: json.dumps(a.tolist())])
def test_arrays_may_be_text(written, to_text):
    values = np.array(a_person(17)).reshape(17, 3)
    for shape in ((17, 3), (51,)):
        item = {"keypoints": to_text(values.reshape(shape)), "score": 0.9}
        (person,) = read_detections(written([item])).people
        check_against_coco(person.keypoints, values)
    with np.printoptions(threshold=5):
        item["keypoints"] = str(values)
    with pytest.raises(InputError, match="not a list of numbers"):
        read_detections(written([item]))


def test_scores_above_one_are_one_with_one_warning(written, caplog):
    detected_keypoints.warn_once.cache_clear()
    values = np.array(a_person()).reshape(25, 3) * [1, 1, 10]
    people = [values.ravel().tolist(), a_person()]
    for _ in range(2):
        first, second = read_detections(written(openpose(*people))).people
    np.testing.assert_array_equal(first.keypoints.confidence, 1)
    assert second.keypoints.confidence.max() < 1
    (record,) = caplog.records
    assert "scores above 1" in record.message


def test_fractions_become_pixels_where_the_size_is_known(written):
    values = np.array(a_person()).reshape(25, 3)
    shares = (values / [500, 400, 1]).ravel().tolist()
    sized = {**openpose(shares), "canvas_width": 500, "canvas_height": 400}
    (person,) = read_detections(written(sized)).people
    np.testing.assert_allclose(person.keypoints.xy, values[:, :2], rtol=1e-5)
    assert person.image_size == (500, 400)
    # The photo itself knows better.
    (person,) = read_detections(written(sized), photo_size=lambda p: (250, 400)).people
    np.testing.assert_allclose(person.keypoints.xy, values[:, :2] / [2, 1], rtol=1e-5)
    with pytest.raises(InputError, match="that size is not known: give config.image"):
        read_detections(written(openpose(shares)))
    values = (values / [250, 200, 1] - [1, 1, 0]).ravel().tolist()
    with pytest.raises(InputError, match="keypoint_scale 4"):
        read_detections(written({**sized, **openpose(values)}))


@pytest.mark.parametrize("mark", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32"])
def test_a_byte_order_mark_is_no_fault(written, mark):
    text = json.dumps(openpose(a_person()))
    data = ("\ufeff" * (mark == "utf-16-le") + text).encode(mark)
    assert len(read_detections(written(data)).people) == 1


def test_the_order_of_joints_can_be_chosen(written):
    values = a_person(18)
    item = [{"keypoints": values, "score": 1.0}]
    with pytest.raises(InputError, match="set config.format"):
        read_detections(written(item))
    (person,) = read_detections(written(item), joint_order="OPENPOSE_18").people
    names = OPENPOSE_18.names
    for name in ("nose", "neck", "left_wrist", "right_ear"):
        np.testing.assert_allclose(
            person.keypoints.xy[BODY_25.index(name)],
            values[3 * names.index(name) :][:2], rtol=1e-6,
        )  # fmt: skip
    assert person.keypoints.confidence[BODY_25.index("left_heel")] == 0
    with pytest.raises(InputError, match="18 joints, but HALPE_26 has 26"):
        read_detections(written(item), joint_order="HALPE_26")


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
    "not text": (b"{\xff\xfe\x00\x81", "not text in UTF-8"),
    "half a letter": (b"\xff\xfe{\x00\x81", "not text in UTF-16"),
    "a picture": (b"\x89PNG\r\n\x1a\n\0\0", "not text in UTF-8"),
    "words": ("no json here", "is not JSON"),
    "a number": ("3", "in none of the formats"),
    "another object": ({"results": []}, "in none of the formats"),
    "a list of other things": ([{"box": [1, 2]}], 'nothing in it has "keypoints"'),
    "a list of numbers": ([1, 2, 3], 'nothing in it has "keypoints"'),
    "people is a number": ({"people": 3}, '"people" is not a list'),
    "people are strings": ({"people": ["a"]}, '"people" is not a list'),
    "no people": (openpose(), "no people"),
    "no COCO people": ([], "no people"),
    "no body": ({"people": [{"hand_left_keypoints_2d": []}]}, "person 0 has no body"),
    "24 joints": (openpose(a_person(24)), "24 joints instead of the 25"),
    "74 values": (openpose(a_person()[:-1]), "not a multiple of 3"),
    "18 COCO joints": ([{"keypoints": a_person(18), "score": 1}], "18 joints instead"),
    "NaN": (openpose([float("nan")] * 75), "no joint at a position"),
    "1e999": (json.dumps(openpose([7777777] * 75)).replace("7777777", "1e999"),
              "no joint at a position"),
    "9000 digits": (
        json.dumps(changed(WRIST_X, 7777777)).replace("7777777", "9" * 9000),
        "number that is far too long",
    ),
    "strings": (openpose(["a"] * 75), "not a list of numbers"),
    "nulls": (openpose([None] * 75), "not a list of numbers"),
    "deep lists": (openpose([[[1, 2, 3]]] * 25), "not a list of numbers"),
    "an object": ({"people": [{"pose_keypoints_2d": {"x": 1}}]}, "not a list of num"),
    "deep": ("[" * 200_000, "nested too deeply"),
    "deep people": ('{"people":' * 100_000, "nested too deeply"),
    "unseen": (openpose([100.0, 100.0, 0.0] * 25), "none of its 1 people"),
    "one joint": (openpose([9.0, 9.0, 0.9] + [0.0] * 72), "only one joint"),
    "shares of the image": (openpose(shrunk(1 / 1000)), "fractions of the image"),
    "in lists of lists": ("[" * 90 + "1" + "]" * 90, 'nothing in it has "keypoints"'),
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
