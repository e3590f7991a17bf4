"""Videos are followed and reconstructed end to end, and killed runs continue."""

import numpy as np
import pytest

from prohmr_jax.bulk_fitting import video_detections
from prohmr_jax.bulk_fitting.tables import read_table
from prohmr_jax.bulk_fitting.tracks import read_tracks
from prohmr_jax.bulk_fitting.video_table import VideoTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import DEMO_PHOTO
from prohmr_jax.files.detections import Detection, Detections
from prohmr_jax.files.images import read_image, write_png
from prohmr_jax.files.videos import open_video
from prohmr_jax.modes.video import run
from prohmr_jax.structs import Keypoints2D
from tests.support.demo_cases import write_weights
from tests.support.fit_cases import config_of

NUMBER, HIDDEN = 14, (6, 7)
STANDING = np.random.default_rng(1).uniform(0, 1, (25, 2)) * [40.0, 110.0]


def frame_image(number):
    """A grey picture whose first pixel says which frame it is."""
    image = np.full((160, 240, 3), 90, np.uint8)
    image[0, 0] = number
    return image


def people_of(number):
    """Two people, of whom the second is hidden for two frames."""
    at = [(20.0 + 3 * number, 30.0)]
    if number not in HIDDEN:
        at.append((180.0 - 3 * number, 40.0))
    confidence = np.full(25, 0.8, np.float32)
    return tuple(
        Detection(Keypoints2D((STANDING + place).astype("f"), confidence), index, "")
        for index, place in enumerate(at)
    )


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.npz"
    return write_weights(path) or path


@pytest.fixture
def video(tmp_path, monkeypatch, weights):
    """Runs the mode on a folder of pictures whose people are known."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(NUMBER):
        write_png(folder / f"{number}.png", frame_image(number))
    seen = []

    def detect(detector, image, **options):
        seen.append(int(image[0, 0, 0]))
        if len(seen) == video.killed_after:
            raise KeyboardInterrupt
        return Detections(people_of(seen[-1]), ())

    monkeypatch.setattr(video_detections, "people_in_frame", detect)
    monkeypatch.setattr("prohmr_jax.modes.video.load_detector", lambda: None)

    def video(output="out", **changes):
        settings = {
            "input": str(folder),
            "output": str(tmp_path / output),
            "checkpoint": str(weights),
            "min_length_s": 0.2,
            "num_hypotheses": 3,
            "frames_at_once": 8,
            "frames_per_part": 4,
            "window": 8,
            "overlap": 2,
            "max_steps": 5,
            "height_px": 64,
            "formats": ("bvh",),
            "codec": "mp4v",
        }
        return run(config_of("video", **{**settings, **changes}))

    video.killed_after, video.seen, video.folder = None, seen, tmp_path
    return video


def contents(folder):
    files = (p for p in folder.rglob("*") if p.is_file() and p.name != "lock")
    return {str(p.relative_to(folder)): p.read_bytes() for p in files}


def test_a_video_gives_a_table_for_each_person(video):
    paths = video(smooth=False)
    assert [path.name for path in paths] == ["person0.npz", "person1.npz"]
    first, second = (read_table(path, VideoTable)[0] for path in paths)
    np.testing.assert_array_equal(first.frame, np.arange(NUMBER))
    np.testing.assert_array_equal(np.flatnonzero(second.measured == 0), HIDDEN)
    np.testing.assert_allclose(first.time_s, np.arange(NUMBER) / 30.0, rtol=1e-6)
    assert set(first.track_id) == {"0"}
    assert (second.keypoint_confidence[list(HIDDEN)] == 0).all()
    # The people walk through the picture in opposite directions.
    for table, sign in ((first, 1), (second, -1)):
        assert (sign * np.diff(table.fit_translation[:, 0]) > 0).mean() > 0.8
        placed = table.fit_joints + table.fit_translation[:, None]
        pixels = np.einsum("fjc,fdc->fjd", placed, table.intrinsics)
        middle = (pixels[..., :2] / pixels[..., 2:]).mean(axis=1)
        assert np.abs(middle - table.box_center_px).max() < table.box_size_px.max()
        assert np.isfinite(table.joint_spread).all()
    (track,) = read_tracks(paths[1], "fit")
    np.testing.assert_array_equal(np.flatnonzero(~track.measured), HIDDEN)
    written = open_video(paths[0].parent / "video.mp4")
    assert len(written) == NUMBER
    assert written.size[1] == 64
    assert (paths[0].parent / "track_0.bvh").exists()


@pytest.mark.slow
def test_a_fit_to_the_track_has_one_shape(video):
    for path in video(draw=False, formats=()):
        table = read_table(path, VideoTable)[0]
        assert np.ptp(table.fit_betas, axis=0).max() == 0.0
        assert (table.fit_loss < table.fit_start_loss).all()
        assert np.isfinite(table.fit_joints).all()


@pytest.mark.parametrize("smooth", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_killed_run_continues_and_gives_the_same_bytes(video, smooth):
    settings = {"smooth": smooth, "draw": smooth, "formats": ()}
    video("whole", **settings)
    whole = contents(video.folder / "whole")
    video.seen.clear()
    video.killed_after = 10
    with pytest.raises(KeyboardInterrupt):
        video(**settings)
    video.seen.clear()
    video.killed_after = None
    video(**settings)
    # Detections of the first two parts were kept.
    assert video.seen == list(range(8, NUMBER))
    continued = contents(video.folder / "out")
    assert continued.keys() == whole.keys()
    assert [name for name in whole if whole[name] != continued[name]] == []
    # A run that was killed while it fitted or drew goes on from there.
    later = ["video.mp4", "parts/person0_window0001.npz"]
    for name in ["person1.npz", *(later if smooth else ())]:
        (video.folder / "out" / name).unlink()
    video.seen.clear()
    video(**settings)
    assert video.seen == []
    assert contents(video.folder / "out") == whole
    with pytest.raises(InputError, match="holds a run with another seed"):
        video(seed=1, **settings)


def test_a_video_is_drawn_again_if_it_would_look_different(video):
    settings = {"smooth": False, "formats": ()}
    (path, _) = video(**settings)
    file = path.parent / "video.mp4"
    both, time = file.read_bytes(), file.stat().st_mtime_ns
    video(**settings)
    assert file.stat().st_mtime_ns == time
    video(people="1", **settings)
    assert file.read_bytes() != both
    video(**settings)
    assert file.read_bytes() == both


def test_faults_are_one_line(video, monkeypatch):
    with pytest.raises(InputError, match="config.input: is empty"):
        run(config_of("video"))
    with pytest.raises(InputError, match="has no person 7, but has 0 to 1"):
        video(people="7")
    with pytest.raises(InputError, match="nobody is seen in it for 9 s"):
        video("other", min_length_s=9.0)
    with pytest.raises(InputError, match="more than half of config.window"):
        video("other", overlap=5)
    with pytest.raises(InputError, match="field of view"):
        video("other", focal_length_px=3.0)
    nobody = lambda *_, **__: Detections((), ())  # noqa: E731
    monkeypatch.setattr(video_detections, "people_in_frame", nobody)
    with pytest.raises(InputError, match="nobody was found in any of its frames"):
        video("nobody")


@pytest.mark.slow
def test_the_person_of_a_photo_is_followed(tmp_path):
    """The whole way with the weights that ship, on a photo that moves."""
    photo = read_image(DEMO_PHOTO)
    folder = tmp_path / "in"
    folder.mkdir()
    for number in range(4):
        write_png(folder / f"{number}.png", np.roll(photo, 4 * number, axis=1))
    config = config_of(
        "video", input=str(folder), output=str(tmp_path / "out"), min_length_s=0.1
    )
    (path,) = run(config)
    table = read_table(path, VideoTable)[0]
    assert len(table.frame) == 4
    assert table.measured.all()
    assert table.fit_plausible.all()
    assert len(open_video(tmp_path / "out" / "video.mp4")) == 4
