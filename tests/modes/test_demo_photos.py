"""The demo on photos without detections: who is found, chosen and left out."""

import functools
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.detection.detector import load_detector
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import read_image
from prohmr_jax.inference.reconstruction import load_reconstructor
from prohmr_jax.inference.results import read_result
from prohmr_jax.modes import demo as demo_mode
from prohmr_jax.modes.demo import run as run_demo
from prohmr_jax.skeleton import BODY_25
from prohmr_jax.structs import Box, Keypoints2D
from tests.support.demo_cases import (
    demo_config,
    openpose,
    person,
    write_image_weights,
    write_weights,
)
from tests.support.paths import DEMO_KEYPOINTS


@pytest.fixture(scope="module")
def detector():
    return load_detector()


@pytest.fixture(scope="module")
def tiny_weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "w.npz")


@pytest.fixture
def demo(tmp_path, tiny_weights, detector, monkeypatch):
    """A folder `input`, a way to run the demo on it, and the number of detectors."""
    (tmp_path / "input").mkdir()
    loads = []

    def load():
        loads.append(detector)
        return detector

    reader = functools.partial(PeopleReader, load=load)
    monkeypatch.setattr(demo_mode, "PeopleReader", reader)

    def run(name: str = "", **changes):
        return run_demo(
            demo_config(
                **{
                    "input": str(tmp_path / "input" / name),
                    "output": str(tmp_path / "out"),
                    "checkpoint": str(tiny_weights),
                    "num_hypotheses": 3,
                    "meshes": (),
                    "pictures": (),
                    **changes,
                }
            )
        )

    return types.SimpleNamespace(
        folder=tmp_path / "input",
        run=run,
        loads=loads,
        result=lambda name: read_result(tmp_path / "out" / f"{name}.npz"),
    )


def write_two(path):
    """The portrait, and beside it the portrait at half the size."""
    large = read_image(DEMO_PHOTO)
    small = np.asarray(Image.fromarray(large).resize((256, 256)))
    canvas = np.full((512, 800, 3), 128, np.uint8)
    canvas[:, :512] = large
    canvas[256:, 528:784] = small
    Image.fromarray(canvas).save(path, quality=95)


def names(report) -> list[str]:
    return [p.name for p in report.people]


def test_a_photo_is_enough(demo):
    shutil.copy(DEMO_PHOTO, demo.folder / "a.jpg")
    report = demo.run("a.jpg", checkpoint="", pictures=("overlay",))
    assert names(report) == ["a_person0"]
    assert report.overlays == ["a_overlay.png"]
    assert report.people[0].error_percent < 10
    result = demo.result("a_person0")
    assert (result.provenance.source, result.provenance.photo) == ("a.jpg", "a.jpg")
    # The joints are where a person marked them, within a tenth of the face's distance
    # to the shoulders.
    sure = BODY_25.indices("nose", "left_eye", "right_eye", "left_ear", "right_ear")
    marked = [[224, 124], [246, 103], [203, 100.5], [271, 123], [177, 118]]
    np.testing.assert_allclose(result.keypoints_px[list(sure)], marked, atol=13)
    # The left arm is hidden, and the knees are outside.
    hidden = BODY_25.indices("left_elbow", "left_wrist", "left_knee", "right_knee")
    assert not result.keypoint_confidence[list(hidden)].any()


def test_an_image_model_is_given_the_detected_box(demo, tmp_path):
    shutil.copy(DEMO_PHOTO, demo.folder / "a.jpg")
    weights = write_image_weights(tmp_path / "image.npz")
    demo.run("a.jpg", checkpoint=str(weights))
    result = demo.result("a_person0")
    seen = result.keypoints_px[result.keypoint_confidence > 0.1]
    low, high = seen.min(axis=0), seen.max(axis=0)
    np.testing.assert_allclose(result.box_center_px, (low + high) / 2, rtol=1e-4)
    np.testing.assert_allclose(result.box_size_px, 1.2 * np.max(high - low), rtol=1e-4)
    # The mode is that of a person who is given by this box alone.
    box = Box(result.box_center_px, result.box_size_px)
    nobody = Keypoints2D(np.zeros((25, 2), np.float32), np.zeros(25, np.float32))
    boxed, _ = load_reconstructor(
        weights, "open", seed=0, num_hypotheses=3, num_meshes=1, focal_length_px=0.0
    )(Detection(nobody, 0, "boxes", box=box), read_image(DEMO_PHOTO), (512, 512))
    np.testing.assert_allclose(boxed.joints[0], result.joints[0], atol=1e-4)
    np.testing.assert_allclose(boxed.translation, result.translation, rtol=1e-4)


def test_detections_beside_a_photo_win(demo):
    shutil.copy(DEMO_PHOTO, demo.folder)
    shutil.copy(DEMO_KEYPOINTS, demo.folder)
    report = demo.run(DEMO_PHOTO.name)
    assert names(report) == [f"{DEMO_KEYPOINTS.stem}_person0"]
    assert demo.result(names(report)[0]).provenance.photo == DEMO_PHOTO.name
    assert not demo.loads


def test_a_folder_of_photos_and_detections(demo, capsys):
    shutil.copy(DEMO_PHOTO, demo.folder / "b.jpg")
    Image.open(DEMO_PHOTO).save(demo.folder / "b.png")
    shutil.copy(DEMO_PHOTO, demo.folder / "c.jpg")
    shutil.copy(DEMO_KEYPOINTS, demo.folder / "c_keypoints.json")
    (demo.folder / "d.json").write_text(openpose(person(0)))
    (demo.folder / "notes.txt").write_text("no input")
    (demo.folder / "e.jpg").write_bytes(DEMO_PHOTO.read_bytes()[:5000])
    for name in ("f.heic", "g.heic"):
        (demo.folder / name).write_bytes(b"\0\0\0\x18ftypheic")
    report = demo.run()
    assert names(report) == [
        "c_keypoints_person0", "d_person0", "b_person0", "b_png_person0"
    ]  # fmt: skip
    assert len(demo.loads) == 1
    assert [line.split("/")[-1].split(":")[0] for line in report.skipped] == [
        "e.jpg", "f.heic", "g.heic"
    ]  # fmt: skip
    printed = capsys.readouterr().out
    assert "skipped inputs: 3" in printed
    assert "1: is a truncated or damaged image [e.jpg]" in printed
    assert "2: is a" in printed


def test_a_folder_without_people_counts_the_reasons(demo):
    for name in ("a.heic", "b.heic"):
        (demo.folder / name).write_bytes(b"\0\0\0\x18ftypheic")
    Image.new("RGB", (60, 40)).save(demo.folder / "c.png")
    reasons = r"3 files .*; 2: is a .* \[a.heic, b.heic\]; 1: is blank.*\[c.png\]"
    with pytest.raises(InputError, match=reasons):
        demo.run()


def test_photos_that_detections_name_are_not_detected_again(demo):
    shutil.copy(DEMO_PHOTO, demo.folder / "a.jpg")
    text = f'[{{"image_id": "a.jpg", "score": 1, "keypoints": {person(0, 17)}}}]'
    (demo.folder / "results.json").write_text(text)
    assert names(demo.run()) == ["results_person0"]
    assert not demo.loads


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda p: Image.new("RGB", (300, 200), "navy").save(p), "is blank"),
        (lambda p: Image.fromarray(stripes(150, 200)).save(p), "nobody was found"),
        (lambda p: Image.fromarray(stripes(20, 20)).save(p), "only 20 x 20 pixels"),
        (lambda p: p.write_bytes(b"\x89PNG\r\n\x1a\n"), "image"),
        (lambda p: p.write_bytes(b""), "is no image that can be read"),
        (lambda p: None, "no such file or folder"),
    ],
)
def test_photos_without_people_are_one_line(demo, write, reason):
    write(demo.folder / "a.png")
    with pytest.raises(InputError, match=rf"a\.png: .*{reason}") as caught:
        demo.run("a.png")
    assert "\n" not in str(caught.value)


def stripes(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([y % 256, (x // 7 * 60) % 256, (x + y) % 256], -1).astype(np.uint8)


def test_people_and_scores_are_chosen(demo):
    write_two(demo.folder / "a.jpg")
    everybody = demo.run("a.jpg")
    assert names(everybody) == ["a_person0", "a_person1"]
    sizes = [float(demo.result(name).box_size_px) for name in names(everybody)]
    largest = names(demo.run("a.jpg", people="largest"))
    assert largest == [f"a_person{int(np.argmax(sizes))}"]
    assert max(sizes) > 1.5 * min(sizes)
    second = demo.run("a.jpg", people="1,7")
    assert names(second) == ["a_person1"]
    assert "person 7 does not exist" in second.skipped[0]
    with pytest.raises(InputError, match="no person 5 to reconstruct, but has 0, 1"):
        demo.run("a.jpg", people="5")
    with pytest.raises(InputError, match="nobody clearly: the surest has a score of 0"):
        demo.run("a.jpg", min_score=0.99)
    with pytest.raises(InputError, match=r'config\.people: "first" is not'):
        demo.run("a.jpg", people="first")
    with pytest.raises(InputError, match=r"config\.photo"):
        demo.run("a.jpg", photo="none")
