"""Small files, written by hand after the documentation of each detector.

All show one person, who stands upright in a picture of 400 x 500 pixels.
"""

from pathlib import Path

import numpy as np
import pytest

from prohmr_jax.files.detections import read_detections
from prohmr_jax.skeleton import BODY_25, COCO_17, COCO_FEET_23, OPENPOSE_18

FILES = Path(__file__).parent / "detections"
POSITIONS = {
    "nose": (200, 100), "neck": (200, 140), "mid_hip": (200, 260),
    "right_shoulder": (170, 140), "right_elbow": (150, 190), "right_wrist": (140, 240),
    "left_shoulder": (230, 140), "left_elbow": (250, 190), "left_wrist": (260, 240),
    "right_hip": (180, 260), "right_knee": (178, 340), "right_ankle": (176, 420),
    "left_hip": (220, 260), "left_knee": (222, 340), "left_ankle": (224, 420),
    "right_eye": (195, 92), "left_eye": (205, 92), "right_ear": (185, 96),
    "left_ear": (215, 96), "left_big_toe": (232, 436), "left_small_toe": (238, 432),
    "left_heel": (222, 430), "right_big_toe": (168, 436), "right_small_toe": (162, 432),
    "right_heel": (178, 430),
}  # fmt: skip
ALL = set(BODY_25.names)
COCO = {*COCO_17.names, "neck", "mid_hip"}
FEET = {*COCO_FEET_23.names, "neck", "mid_hip"}
OPENPOSE = {*OPENPOSE_18.names, "mid_hip"}
MEDIAPIPE = ALL - {"left_small_toe", "right_small_toe"}
IN_400_500 = {"photo_size": lambda person: (400, 500)}


def named(file: str) -> dict:
    """What is said of a picture whose id is the name of its file."""
    return {"image_name": file, "image_id": file}


# File -> the joints that it has, and what it says of the person.
SAID = {
    # github.com/CMU-Perceptual-Computing-Lab/openpose: doc/02_output.md
    "openpose_body_25": (ALL, {}),
    # the same, doc/advanced and src/openpose/pose/poseParameters.cpp
    "openpose_body_25b": (ALL, {}),
    "openpose_coco_18": (OPENPOSE, {}),
    # github.com/Mikubill/sd-webui-controlnet: the OpenPose JSON of its editor
    "controlnet": (OPENPOSE, {"image_size": (400, 500)}),
    # github.com/perfanalytics/pose2sim: pose estimation writes HALPE_26
    "pose2sim": (ALL, {}),
    # github.com/ZJU3DV/EasyMocap: doc, annots
    "easymocap": (ALL, {**named("images/1/000000.jpg"), "track_id": "1"}),
    # github.com/MVIG-SJTU/AlphaPose: docs/output.md
    "alphapose_halpe_136": (ALL, {**named("a.jpg"), "track_id": "7"}),
    "alphapose_open": (OPENPOSE, {**named("a.jpg")}),
    "alphapose_cmu": (OPENPOSE, {**named("a.jpg")}),
    # github.com/jin-s13/COCO-WholeBody: data_format.md
    "coco_wholebody_133": (FEET, {"image_id": "81988"}),
    "coco_wholebody_annotations": (
        FEET,
        {"image_id": "81988", "image_name": "000000081988.jpg",
         "image_size": (400, 500)},
    ),
    # mmpose.readthedocs.io: the demos' --save-predictions; RTMW's scores pass 1
    "mmpose_rtmw_133": (FEET, {"frame": 1}),
    # github.com/JunkyByte/easy_ViTPose: README, Inference, JSON
    "easy_vitpose": (COCO, {"frame": 0, "track_id": "3"}),
    # docs.ultralytics.com: Results.to_json
    "ultralytics": (COCO, {"track_id": "2"}),
    "ultralytics_normalized": (COCO, {}),
    # openpifpaf.github.io: predict_cli
    "openpifpaf": (COCO, {}),
    "openpifpaf_video": (COCO, {"frame": 1, "track_id": "4"}),
    # detectron2.readthedocs.io: COCOEvaluator, and the fields of Instances
    "detectron2_results": (COCO, {"image_id": "81988"}),
    "detectron2_instances": (COCO, {}),
    # pytorch.org/vision: keypointrcnn_resnet50_fpn
    "torchvision": (COCO, {}),
    # ai.google.dev/edge/mediapipe: Pose Landmarker
    "mediapipe_solution": (MEDIAPIPE, {}),
    "mediapipe_task": (MEDIAPIPE, {"image_size": (400, 500)}),
    # github.com/tensorflow/tfjs-models: pose-detection
    "tensorflow_js": (COCO, {}),
    # github.com/Tau-J/rtmlib: its arrays, by json.dumps(..., default=str)
    "rtmlib_as_text": (COCO, {}),
}  # fmt: skip


@pytest.mark.parametrize("name", SAID)
def test_joints_are_where_they_are(name):
    joints, said = SAID[name]
    detections = read_detections(FILES / f"{name}.json", **IN_400_500)
    assert detections.left_out == ()
    person = detections.people[0]
    assert set(np.array(BODY_25.names)[person.keypoints.confidence > 0.1]) == joints
    for joint in joints:
        actual = person.keypoints.xy[BODY_25.index(joint)]
        np.testing.assert_allclose(actual, POSITIONS[joint], atol=1e-3, err_msg=joint)
    nothing = {"image_name": None, "image_id": None, "frame": None, "track_id": None}
    for field, value in {**nothing, **said}.items():
        assert getattr(person, field) == value, field


def test_every_file_is_read():
    assert {path.stem for path in FILES.iterdir()} == set(SAID)
