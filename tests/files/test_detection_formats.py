"""AlphaPose, MMPose and easy_ViTPose: their files, good and bad."""

import json

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.detection_formats import raw
from prohmr_jax.files.detections import read_detections
from prohmr_jax.skeleton import BODY_25, COCO_17, COCO_FEET_23, HALPE_26

# As easy_ViTPose names the 25 joints of COCO with feet.
VITPOSE_25 = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "neck", "left_shoulder",
    "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist",
    "left_hip", "right_hip", "hip", "left_knee", "right_knee", "left_ankle",
    "right_ankle", "left_big_toe", "left_small_toe", "left_heel", "right_big_toe",
    "right_small_toe", "right_heel",
)  # fmt: skip


def joints(number: int, seed: int = 0) -> np.ndarray:
    """[number, 3]: x, y, confidence."""
    rng = np.random.default_rng(seed)
    xy = rng.uniform(10, 400, (number, 2)).round(2)
    return np.concatenate([xy, rng.uniform(0.3, 1, (number, 1)).round(3)], 1)


@pytest.fixture
def read(tmp_path):
    def read(content):
        path = tmp_path / "a.json"
        path.write_text(json.dumps(content))
        return read_detections(path)

    return read


def check(keypoints, values, names, aliases=None):
    """Each joint that BODY_25 shares with `names` is where it was."""
    for joint, name in enumerate(BODY_25.names):
        name = (aliases or {}).get(name, name)
        if name in names:
            x, y, confidence = values[names.index(name)]
            np.testing.assert_allclose(keypoints.xy[joint], [x, y], rtol=1e-6)
            np.testing.assert_allclose(keypoints.confidence[joint], confidence)
        elif name in ("neck", "mid_hip"):
            part = {"neck": "shoulder", "mid_hip": "hip"}[name]
            pair = [values[names.index(f"{side}_{part}")] for side in ("left", "right")]
            middle = np.mean(pair, axis=0)[:2]
            np.testing.assert_allclose(keypoints.xy[joint], middle, rtol=1e-6)
        else:
            assert keypoints.confidence[joint] == 0


def alphapose(values: np.ndarray, image: str = "a.jpg") -> dict:
    return {
        "image_id": image,
        "category_id": 1,
        "keypoints": values.ravel().tolist(),
        "score": 2.9,
        "box": [1.0, 2.0, 30.0, 40.0],
        "idx": [0.0],
    }


@pytest.mark.parametrize(
    ("number", "names"),
    [(17, COCO_17.names), (26, HALPE_26.names), (136, HALPE_26.names),
     (133, COCO_FEET_23.names)],
)  # fmt: skip
def test_alphapose(read, number, names):
    values = joints(number)
    first, second = read([alphapose(values), alphapose(joints(number, 1), "b")]).people
    assert (first.source, first.image_name, second.image_name) == (
        raw.COCO_RESULTS, "a.jpg", "b",
    )  # fmt: skip
    assert first.frame is None
    check(first.keypoints, values, names)


def test_halpe_says_neck_hips_and_feet_itself(read):
    (person,) = read([alphapose(joints(26))]).people
    assert np.all(person.keypoints.confidence > 0)
    values = joints(26)
    neck = BODY_25.index("neck")
    np.testing.assert_allclose(
        person.keypoints.xy[neck], values[HALPE_26.index("neck"), :2], rtol=1e-6
    )


def instance(values: np.ndarray) -> dict:
    return {
        "keypoints": values[:, :2].tolist(),
        "keypoint_scores": values[:, 2].tolist(),
        "bbox": [[1.0, 2.0, 30.0, 40.0]],
        "bbox_score": 0.9,
    }


def meta(names) -> dict:
    names = {str(i): name for i, name in enumerate(names)}
    return {"dataset_name": "coco", "keypoint_id2name": names}


def test_mmpose_pictures(read):
    """What the demo, the inferencer and a call of it write of one photo."""
    values = joints(17)
    people = [instance(values), instance(joints(17, 1))]
    contents = (
        {"meta_info": meta(COCO_17.names), "instance_info": people},
        people,
        {"predictions": [people]},
        {"visualization": [], "predictions": people},
    )
    for content in contents:
        detected = read(content).people
        assert [p.person_index for p in detected] == [0, 1]
        assert detected[0].source == raw.MMPOSE
        assert detected[0].frame is None
        check(detected[0].keypoints, values, COCO_17.names)


def test_mmpose_videos(read):
    values = joints(26)
    frames = [
        {"frame_id": 1, "instances": [instance(joints(26, 1))]},
        {"frame_id": 2, "instances": []},
        {"frame_id": 3, "instances": [instance(joints(26, 2)), instance(values)]},
    ]
    for content in (frames, {"meta_info": {}, "instance_info": frames}):
        people = read(content).people
        assert [(p.person_index, p.frame) for p in people] == [(0, 1), (1, 3), (2, 3)]
        check(people[2].keypoints, values, HALPE_26.names)


def test_mmpose_joints_and_people_that_are_bad_cost_themselves(read):
    values = joints(17)
    bad_joints = instance(values)
    bad_joints["keypoints"][3] = None
    bad_joints["keypoints"][4] = [None, 7.0]
    bad_joints["keypoints"][5] = [1.0, 2.0, 3.0]
    bad_joints["track_id"] = 12
    people = [bad_joints, MIXED[0], {"bbox": []}, None, instance(values)]
    detections = read({"instance_info": people})
    assert [(p.person_index, p.track_id) for p in detections.people] == [
        (0, "12"), (4, None),
    ]  # fmt: skip
    assert [p.person_index for p in detections.left_out] == [1, 2, 3]
    confidence = detections.people[0].keypoints.confidence
    names = [COCO_17.names[i] for i in (3, 4, 5)]
    assert not confidence[list(BODY_25.indices(*names))].any()
    kept = BODY_25.indices("nose", "left_wrist", "right_ankle")
    assert confidence[list(kept)].all()


def test_mmpose_by_the_names_of_its_joints(read):
    order = np.random.default_rng(0).permutation(17)
    names = [COCO_17.names[i] for i in order]
    values = joints(17)
    content = {"meta_info": meta(names), "instance_info": [instance(values)]}
    check(read(content).people[0].keypoints, values, names)


def vitpose(names, *frames: dict) -> dict:
    frames = [
        {key: values[:, [1, 0, 2]].tolist() for key, values in frame.items()}
        for frame in frames
    ]
    skeleton = {str(i): name for i, name in enumerate(names)}
    return {"keypoints": frames, "skeleton": skeleton}


POSETRACK = ("nose", "head_bottom", "head_top", *COCO_17.names[3:])
CROWDPOSE = (*COCO_17.names[5:], "head", "neck")


@pytest.mark.parametrize("names", [POSETRACK, CROWDPOSE, CROWDPOSE[::-1]])
def test_categories_of_annotations_name_the_joints(read, names):
    """PoseTrack has as many joints as COCO, of which two are others."""
    values = joints(len(names))
    values[:, 2] = 2
    person = {"image_id": 3, "category_id": 1, "track_id": 4,
              "keypoints": values.ravel().tolist()}  # fmt: skip
    stranger = {**person, "category_id": 2}
    image = {"id": 3, "file_name": "v/8.jpg", "frame_id": 8}
    numbers = [str(number) for number in range(len(names))]
    categories = [{"id": 1, "keypoints": list(names)}, {"id": 2, "keypoints": numbers}]
    file = {"images": [image], "annotations": [person, stranger],
            "categories": categories}  # fmt: skip
    detections = read(file)
    first = detections.people[0]
    assert (first.frame, first.track_id, first.image_name) == (8, "4", "v/8.jpg")
    values[:, 2] = 1
    check(first.keypoints, values, names)
    # Numbers are no names of joints: the order is told by how many there are.
    if len(names) == len(COCO_17):
        check(detections.people[1].keypoints, values, COCO_17.names)
    else:
        assert "has 14 joints instead of" in detections.left_out[0].reason


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


@pytest.mark.parametrize("form", ["TensorFlow.js", "PoseNet", "Roboflow"])
def test_joints_that_are_objects_have_names(read, form):
    values = joints(17)
    rows = list(zip(COCO_17.names, values.tolist(), strict=True))[::-1][:-2]
    if form == "PoseNet":
        people = [{"keypoints": [
            {"part": _camel(n), "position": {"x": x, "y": y}, "score": c}
            for n, (x, y, c) in rows]}]  # fmt: skip
    else:
        key = {"TensorFlow.js": "name", "Roboflow": "class"}[form]
        people = [{"keypoints": [
            {key: n.replace("_", "-"), "x": x, "y": y, "score": c}
            for n, (x, y, c) in rows]}]  # fmt: skip
    (person,) = read({"predictions": people} if form == "Roboflow" else people).people
    names = [name for name, _ in rows]
    check(person.keypoints, np.array([row for _, row in rows]), names)


def test_a_picture_of_nobody_is_no_fault(read):
    values = joints(17)
    x, y, c = values.T.tolist()
    person = {"name": "person", "keypoints": {"x": x, "y": y, "visible": c}}
    (one,) = read({"a.jpg": [person], "b.jpg": [], "c.jpg": None}).people
    assert one.image_name == "a.jpg"
    check(one.keypoints, values, COCO_17.names)


def test_torchvision_of_several_pictures(read):
    pictures = [
        {"keypoints": [np.c_[joints(17, n)[:, :2], np.ones(17)].tolist()],
         "keypoints_scores": [joints(17, n)[:, 2].tolist()], "scores": [0.9]}
        for n in range(2)
    ]  # fmt: skip
    people = read([*pictures, {"keypoints": [], "keypoints_scores": []}]).people
    assert [person.frame for person in people] == [0, 1]
    for n, person in enumerate(people):
        check(person.keypoints, joints(17, n), COCO_17.names)


def test_easy_vitpose_has_rows_before_columns(read):
    values = joints(25)
    (person,) = read(vitpose(VITPOSE_25, {"0": values})).people
    assert (person.source, person.frame) == (raw.EASY_VITPOSE, None)
    check(person.keypoints, values, VITPOSE_25, {"mid_hip": "hip"})


def test_easy_vitpose_videos(read):
    content = vitpose(COCO_17.names, {"3": joints(17)}, {}, {"3": joints(17, 1)})
    people = read(content).people
    assert [(p.frame, p.track_id) for p in people] == [(0, "3"), (2, "3")]
    with pytest.raises(InputError, match="no people"):
        read(vitpose(COCO_17.names, {}))


MIXED = [{**instance(joints(17)), "keypoint_scores": [0.5] * 16}]
BAD = {
    "AlphaPose, 20 joints": ([alphapose(joints(20))], "20 joints instead of the 17"),
    "AlphaPose, CMU form": ({"a.jpg": {"bodies": []}}, "no people were detected"),
    "MMPose, lists of two lengths": (MIXED, "17 keypoints, but 16 scores"),
    "MMPose, no scores": (
        {"instance_info": [{"keypoints": [[1, 2]]}]},
        "1 joints instead of the 17",
    ),
    "MMPose, 3D": (
        [{"keypoints": [[1, 2, 3]] * 17, "keypoint_scores": [1.0] * 17}],
        "not a list of numbers",
    ),
    "MMPose, a number": ({"instance_info": 3}, "in none of the formats"),
    "MMPose, frames of numbers": (
        [{"frame_id": 0, "instances": 3}],
        "instances is not a list",
    ),
    "MMPose, another number of names": (
        {"meta_info": meta(COCO_17.names), "instance_info": [instance(joints(26))]},
        "26 joints, but the file names 17",
    ),
    "easy_ViTPose, an animal": (
        vitpose(("L_Eye", "R_Eye", "Nose2"), {"0": joints(3)}),
        "no joint of a human body",
    ),
    "easy_ViTPose, a skeleton of nothing": (
        {"keypoints": [], "skeleton": {"a": "nose"}},
        "does not number",
    ),
    "easy_ViTPose, holes in the skeleton": (
        {"keypoints": [], "skeleton": {"0": "nose", "2": "neck"}},
        "does not number",
    ),
    "easy_ViTPose, NaN": (
        vitpose(COCO_17.names, {"0": joints(17) * [np.nan, 1, 1]}),
        "person 0 has no joint at a position that a photo can have",
    ),
    "easy_ViTPose, pairs": (
        {"keypoints": [{"0": [[1, 2]] * 17}], "skeleton": meta(COCO_17.names)
         ["keypoint_id2name"]},
        "not a list of numbers",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_named_in_one_line(read, tmp_path, name):
    content, fault = BAD[name]
    with pytest.raises(InputError) as caught:
        read(content)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.json'}: ")
    assert fault in message
    assert "\n" not in message
