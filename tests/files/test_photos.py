"""Which photo belongs to which detections, and the other way round."""

import os

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.detections import Detection
from prohmr_jax.files.images import PHOTO_SUFFIXES
from prohmr_jax.files.photos import NO_PHOTO, PhotoFinder, is_picture_name
from prohmr_jax.structs import Keypoints2D


def detection(name=None, image_id=None, frame=None) -> Detection:
    keypoints = Keypoints2D(np.zeros((25, 2)), np.zeros(25))
    return Detection(
        keypoints, 0, "a test", image_name=name, image_id=image_id, frame=frame
    )


@pytest.fixture
def folder(tmp_path):
    """A folder, and a way to put empty files there."""

    def touch(*names):
        for name in names:
            path = tmp_path / "data" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "data"

    touch.path = tmp_path / "data"
    return touch


def photo_of(file, *people, wanted=""):
    """Path of the one photo of people, as text within the folder `data`."""
    photos = set(PhotoFinder(wanted).photos_of(file, people or [detection()]))
    (photo,) = photos
    if photo is None:
        return None
    return os.path.relpath(photo, next(p for p in file.parents if p.name == "data"))


@pytest.mark.parametrize("suffix", PHOTO_SUFFIXES)
def test_every_format_that_is_read_is_found(folder, suffix):
    for spelling in (suffix, suffix.upper(), f".{suffix[1:].capitalize()}"):
        photo = f"X{spelling}"
        folder(photo, "Y.jpg")
        assert is_picture_name(folder.path / photo)
        for name in ("X_keypoints.json", "X.json"):
            file = folder(name) / name
            assert photo_of(file) == photo
            assert PhotoFinder().detections_of(folder.path / photo) == file
            file.unlink()
        (folder.path / photo).unlink()
        assert photo_of(folder.path / "X.json") is None


@pytest.mark.parametrize(
    ("file", "photo"),
    [
        ("X.json", "X.png"),
        ("X_keypoints.json", "X.png"),
        ("X_predictions.json", "X.png"),
        ("X.predictions.json", "X.png"),
        ("X.png.predictions.json", "X.png"),
        ("X.png.json", "X.png"),
        ("results_X.json", "X.png"),
        ("X.v2_keypoints.json", "X.v2.JPG"),
        ("keypoints/X_keypoints.json", "images/X.jpg"),
        ("detections/X.json", "photos/X.jpg"),
        ("predictions/X.jpg.predictions.json", "imgs/X.jpg"),
        ("X.json", "images/X.jpg"),
    ],
)
def test_the_photo_of_a_file_by_its_name(folder, monkeypatch, file, photo):
    folder(file, photo, "Y.jpg", "images/Y.jpg")
    assert photo_of(folder.path / file) == photo
    if file != "X.json" or "/" not in photo:
        beside = PhotoFinder().detections_of(folder.path / photo)
        assert beside is not None
        assert os.path.samefile(beside, folder.path / file)
    # The same from within the folder.
    monkeypatch.chdir((folder.path / file).parent)
    (photo_found,) = PhotoFinder().photos_of(type(folder.path)(os.path.basename(file)),
                                       [detection()])  # fmt: skip
    assert os.path.samefile(photo_found, folder.path / photo)


def test_folders_of_cameras_stay_apart(folder):
    folder("annots/c0/1.json", "annots/c1/1.json", "images/c0/1.jpg", "images/c1/1.jpg")
    for camera in ("c0", "c1"):
        file = folder.path / "annots" / camera / "1.json"
        assert photo_of(file) == f"images/{camera}/1.jpg"


def test_another_photo_of_the_same_stem_has_no_detections(folder):
    folder("X.jpg", "X.png", "X.json")
    finder = PhotoFinder()
    assert finder.detections_of(folder.path / "X.jpg") == folder.path / "X.json"
    assert finder.detections_of(folder.path / "X.png") is None


def test_the_photo_that_the_file_names(folder):
    folder("X.jpg", "named.png", "photos/7.jpg", "../outside.jpg", "deep/er/8.jpg")
    file = folder.path / "X_keypoints.json"
    for name, photo in {
        "named.png": "named.png",
        "named": "named.png",
        "named.PNG": "named.png",
        "photos/7.jpg": "photos/7.jpg",
        "7.jpg": "photos/7.jpg",
        r"C:\photos\7.jpg": "photos/7.jpg",
        "deep/er/8.jpg": "deep/er/8.jpg",
        "/home/somebody/named.png": "named.png",
        "not_there.png": "X.jpg",
        "../outside.jpg": "X.jpg",
        "/": "X.jpg",
        "..": "X.jpg",
    }.items():
        assert photo_of(file, detection(name, name)) == photo, name
    folder("outside.jpg")
    assert photo_of(file, detection("../outside.jpg")) == "outside.jpg"


def test_numbers_are_tried_as_names_with_zeros(folder):
    folder("000000255037.jpg", "COCO_val2014_000000000042.jpg", "frame_9.jpg", "8.png",
           "08.png", "images/000003.jpg")  # fmt: skip
    file = folder.path / "predictions.json"
    others = [detection(None, "1"), detection(None, "2")]
    for number, photo in {
        "255037": "000000255037.jpg",
        "42": "COCO_val2014_000000000042.jpg",
        "3": "images/000003.jpg",
        "9": None,  # The name is not a number.
        "8": None,  # Two photos have the number.
        "7": None,
    }.items():
        photos = PhotoFinder().photos_of(file, [detection(None, number), *others])
        assert photos[1:] == [None, None]
        expected = None if photo is None else folder.path / photo
        assert (photos[0] and photos[0].resolve()) == expected, number


def test_people_of_several_pictures_do_not_share_the_file_s_photo(folder):
    folder("X.jpg", "a.jpg")
    file = folder.path / "X.json"
    people = [detection("a.jpg"), detection("gone.jpg"), detection("a.jpg")]
    photos = PhotoFinder().photos_of(file, people)
    assert photos == [folder.path / "a.jpg", None, folder.path / "a.jpg"]
    people = [detection(None, "5"), detection(None, "6")]
    assert PhotoFinder().photos_of(file, people) == [None, None]
    assert photo_of(file, detection(None, "5"), detection(None, "5")) == "X.jpg"
    # Names of other folders that are alike say nothing about one photo.
    people = [detection("/p/a.jpg"), detection("/q/a.jpg")]
    assert PhotoFinder().photos_of(file, people) == [None, None]


def test_frames_have_the_photos_that_they_name(folder):
    folder("X.jpg", "a.jpg", "000007.jpg", "v.jpg")
    file = folder.path / "X.json"
    people = [detection("a.jpg", frame=0), detection("b.jpg", frame=1)]
    photos = PhotoFinder().photos_of(file, people)
    assert photos == [folder.path / "a.jpg", None]
    assert photo_of(file, detection(None, "7", frame=7)) is None
    # A name that several frames have is that of their video.
    people = [detection("a.jpg", frame=0), detection("a.jpg", frame=1)]
    assert PhotoFinder().photos_of(file, people) == [None, None]
    assert photo_of(file, detection("v.mp4", frame=0)) is None


def test_a_photo_that_is_named_may_have_another_format_now(folder):
    folder("a.jpg", "b.png", "b.jpg", "v.jpg")
    file = folder.path / "all.json"
    people = [detection("d/a.png"), detection("b.png"), detection("c.png")]
    photos = PhotoFinder().photos_of(file, people)
    assert photos == [folder.path / "a.jpg", folder.path / "b.png", None]
    people = [detection("v.mp4"), detection("c.png")]
    assert PhotoFinder().photos_of(file, people) == [None, None]
    people = [detection("p/a.png"), detection("q/a.png")]
    assert PhotoFinder().photos_of(file, people) == [None, None]


def test_the_photo_that_the_user_wants(folder):
    folder("X.jpg")
    file = folder.path / "X.json"
    assert photo_of(file, wanted=NO_PHOTO) is None
    assert photo_of(file, wanted=str(folder.path / "mine.jpg")) == "mine.jpg"
    people = [detection("a.jpg"), detection("b.jpg")]
    with pytest.raises(
        InputError, match=r"config\.photo: names one photo, but X\.json"
    ):
        PhotoFinder("mine.jpg").photos_of(file, people)


def test_hidden_files_are_no_photos(folder):
    folder("._X.jpg", ".X.jpg")
    assert photo_of(folder.path / "._X.json") is None
