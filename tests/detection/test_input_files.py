"""Which files of a folder or list are worked on, and in which order."""

import json

import pytest

from prohmr_jax.detection.input_files import input_files
from prohmr_jax.errors import InputError
from prohmr_jax.files.photos import NO_PHOTO, PhotoFinder
from tests.support.demo_cases import coco, openpose, person

PEOPLE = openpose(person(0))


@pytest.fixture
def listed(tmp_path):
    """Writes files, and lists the input: detections first, photos after the bar."""

    def run(texts: dict[str, str], source: str = "", output="out", photo=""):
        for name, text in texts.items():
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        files = input_files(
            tmp_path / "in" / source, tmp_path / output, PhotoFinder(photo)
        )
        names = [
            [f.name for f in files if f.is_photo == kind] for kind in (False, True)
        ]
        assert [f.is_photo for f in files] == sorted(f.is_photo for f in files)
        return " ".join(names[0]) + " | " + " ".join(names[1])

    return run


def test_a_folder_with_those_inside(listed):
    files = listed({
        "b.jpg": "", "a.png": "", "a_keypoints.json": PEOPLE, "deep/er/c.HEIC": "",
        "deep/d.json": PEOPLE, "deep/d.jpg": "", ".hidden.jpg": "", "._b.jpg": "",
        ".cache/x.json": "", "notes.txt": "", "film.mp4": "",
    })  # fmt: skip
    assert files == "a_keypoints.json deep/d.json | b.jpg deep/er/c.HEIC"


def test_images_beside_keypoints(listed):
    files = {
        "keypoints/1_keypoints.json": PEOPLE,
        "images/1.jpg": "",
        "images/2.jpg": "",
    }
    assert listed(files) == "keypoints/1_keypoints.json | images/2.jpg"
    assert listed({}, "images/1.jpg") == "1_keypoints.json | "
    assert listed({}, "images/2.jpg") == " | 2.jpg"


def test_photos_that_a_file_names_are_detected_already(listed):
    files = {"results.json": coco("a.jpg", "sub/b.jpg"), "a.jpg": "", "sub/b.jpg": "",
             "c.jpg": ""}  # fmt: skip
    assert listed(files) == "results.json | c.jpg"


def test_other_programs_files_beside_photos_are_no_detections(listed):
    takeout = json.dumps({"title": "a.jpg", "creationTime": {"timestamp": "1"}})
    files = {"a.jpg": "", "a.jpg.json": takeout, "b.jpg": "", "b.json": "{"}
    assert listed(files) == "a.jpg.json b.json | a.jpg"
    assert listed({}, "a.jpg") == " | a.jpg"
    # A damaged file is told of, and not replaced silently.
    assert listed({}, "b.jpg") == "b.json | "


def test_a_list(listed):
    text = "# mine\nb.jpg\n\n  deep/c.json \nmissing.json\na_keypoints.json\na.jpg\n"
    files = {"list.txt": text, "b.jpg": "", "a.jpg": "", "a_keypoints.json": PEOPLE,
             "deep/c.json": PEOPLE}  # fmt: skip
    expected = "deep/c.json missing.json a_keypoints.json | b.jpg"
    assert listed(files, "list.txt") == expected


def test_what_runs_write_is_no_input(listed):
    files = {"a.jpg": "", "a_overlay.png": "", "a_person0_sheet.png": "",
             "overlays/000000_before_after.png": "", "shards/run.json": "{}",
             "sub/shards/mine.json": PEOPLE}  # fmt: skip
    assert listed(files, output="in") == "sub/shards/mine.json | a.jpg"
    assert listed({}, output="in/overlays") == (
        "shards/run.json sub/shards/mine.json | a.jpg a_overlay.png a_person0_sheet.png"
    )


def test_without_photos(listed):
    files = {"a.jpg": "", "b.json": PEOPLE}
    assert listed(files, photo=NO_PHOTO) == "b.json | "
    with pytest.raises(InputError, match=r'config\.photo: is "none", but the input is'):
        listed({}, "a.jpg", photo=NO_PHOTO)


@pytest.mark.parametrize(
    ("texts", "source", "fault"),
    [
        ({}, "none", "no such file or folder"),
        ({}, "none.txt", "cannot be read"),
        ({"a.txt": "# nothing\n"}, "a.txt", "is empty"),
        ({"a.md": ""}, "", "holds no .json file and no photo"),
    ],
)
def test_nothing_to_read(listed, tmp_path, texts, source, fault):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match=fault):
        listed(texts, source)
