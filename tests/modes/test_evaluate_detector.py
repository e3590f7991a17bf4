"""The detector is measured on the portrait that ships, whose joints were labelled."""

import json
import shutil

import numpy as np
import pytest

from configs.evaluate_detector import get_config
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import ASSETS
from prohmr_jax.files.detections import read_detections
from prohmr_jax.modes.evaluate_detector import run
from prohmr_jax.skeleton import BODY_25, COCO_17
from tests.support.paths import DEMO_KEYPOINTS

PORTRAIT = ASSETS / "demo" / "astronaut.jpg"


@pytest.fixture
def config(tmp_path):
    person = read_detections(DEMO_KEYPOINTS).people[0].keypoints
    rows = np.array(COCO_17.positions_in(BODY_25))
    xy, seen = person.xy[rows], person.confidence[rows] > 0.1
    joints = np.concatenate([xy, 2.0 * seen[:, None]], axis=1) * seen[:, None]
    low, high = xy[seen].min(0), xy[seen].max(0)
    labels = {
        "images": [
            {"id": 7, "file_name": "a.jpg"},
            {"id": 8, "file_name": "absent.jpg"},
        ],
        "annotations": [
            {
                "image_id": 7,
                "keypoints": joints.ravel().tolist(),
                "bbox": [*low.tolist(), *(high - low).tolist()],
            },
            {"image_id": 8, "keypoints": [0] * 51, "bbox": [0, 0, 9, 9]},
        ],
    }
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    shutil.copy(PORTRAIT, tmp_path / "a.jpg")
    config = get_config()
    config.labels, config.images = str(tmp_path / "labels.json"), str(tmp_path)
    config.photos = "present"
    config.output = str(tmp_path / "output")
    return config


def test_the_labelled_portrait_is_found(config, tmp_path, capsys):
    errors = run(config)["multipose and thunder"]
    assert errors.similarity.shape == (1,)
    assert errors.similarity[0] > 0.8
    assert errors.num_unlabelled == 0
    report = (tmp_path / "output" / "report.md").read_text()
    assert "1 labelled people in 1 of the 2 photos" in report
    assert report.strip() in capsys.readouterr().out
    results = json.loads((tmp_path / "output" / "results.json").read_text())
    assert results[0]["image_id"] == 7
    assert len(results[0]["keypoints"]) == 51


def test_absent_photos_and_empty_labels_are_named(config, tmp_path):
    config.photos = "all"
    with pytest.raises(InputError, match="lacks 1 of 2 photos"):
        run(config)
    labels = json.loads((tmp_path / "labels.json").read_text())
    del labels["annotations"][0]
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(InputError, match="labels the joints of nobody"):
        run(config)
    (tmp_path / "labels.json").write_text("[1]")
    with pytest.raises(InputError, match="is not a file of COCO"):
        run(config)


def test_a_damaged_photo_costs_itself(config, tmp_path, caplog):
    (tmp_path / "absent.jpg").write_bytes(b"cut")
    assert len(run(config)["multipose"].similarity) == 1
    assert "absent.jpg: is no image that can be read" in caplog.text
    report = (tmp_path / "output" / "report.md").read_text()
    assert "1 labelled people in 1 of the 2 photos" in report
    config.photos = "all"
    with pytest.raises(InputError, match="absent.jpg: is no image"):
        run(config)
    config.photos = "present"
    (tmp_path / "a.jpg").write_bytes(b"cut")
    with pytest.raises(InputError, match="has no photo that can be read"):
        run(config)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"image_id": 99}, r"annotations\[0\] belongs to no image"),
        ({"bbox": [1, 2, 3]}, r"annotations\[0\].bbox is not a list of 4 numbers"),
        ({"keypoints": [1, 2]}, r"keypoints is not a list of 51 numbers"),
        ({"area": -1}, r"area is -1, and must be positive"),
        ({"area": 10**400}, r"area is not a list of 1 numbers"),
        ({"bbox": [0, 0, float("nan"), 1]}, r"bbox is not a list of 4 numbers"),
    ],
)
def test_faults_of_labels_are_named(config, tmp_path, change, fault):
    labels = json.loads((tmp_path / "labels.json").read_text())
    labels["annotations"][0].update(change)
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    with pytest.raises(InputError, match=fault):
        run(config)
