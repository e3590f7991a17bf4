"""Videos come back with their pictures, times and rotation, and faults in one line."""

import fractions
import struct
import wave

import numpy as np
import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.files.images import write_png
from prohmr_jax.files.video_writer import best_codec, require_encoder, write_video
from prohmr_jax.files.videos import describe_video, nearest_pictures, open_video

LEVELS = np.linspace(20, 230, 12).astype(np.uint8)


def picture(level, height=48, width=64):
    """A grey picture whose upper left quarter is white."""
    image = np.full((height, width, 3), level, np.uint8)
    image[: height // 2, : width // 2] = 255
    return image


def levels_of(frames):
    return [int(frame.image[-8:, -8:].mean()) for frame in frames]


@pytest.fixture(params=["h264", "mp4v"])
def video(tmp_path, request):
    if request.param == "h264":
        pytest.importorskip("av")
    path = tmp_path / "video.mp4"
    write_video(path, map(picture, LEVELS), 25.0, request.param)
    return path


def test_a_video_comes_back(video):
    read = open_video(video)
    assert (len(read), read.frame_rate, read.size) == (12, 25.0, (64, 48))
    frames = list(read.frames())
    assert [frame.number for frame in frames] == list(range(12))
    assert all(frame.is_new for frame in frames)
    np.testing.assert_allclose(levels_of(frames), LEVELS, atol=6)
    np.testing.assert_allclose(levels_of(read.frames(7)), LEVELS[7:], atol=6)
    assert describe_video(video).endswith("a video, 64 x 48")


def test_equal_pictures_give_equal_bytes(video, tmp_path):
    codec = "h264" if b"avc1" in video.read_bytes() else "mp4v"
    again = tmp_path / "again.mp4"
    write_video(again, map(picture, LEVELS), 25.0, codec)
    assert again.read_bytes() == video.read_bytes()


def test_another_rate_drops_and_repeats_pictures(video):
    slow = open_video(video, 12.5)
    np.testing.assert_allclose(levels_of(slow.frames()), LEVELS[::2], atol=6)
    fast = list(open_video(video, 50.0).frames())
    assert len(fast) == 23
    assert sum(frame.is_new for frame in fast) == 12


def test_ticks_show_the_nearest_picture():
    times = np.array([0.0, 0.1, 0.2, 0.5, 0.6])
    np.testing.assert_array_equal(nearest_pictures(times, 10.0), [0, 1, 2, 2, 3, 3, 4])
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.09, 200))
    ticks = times[0] + np.arange(len(nearest_pictures(times, 30.0))) / 30.0
    nearest = np.abs(times[None] - ticks[:, None]).argmin(axis=1)
    np.testing.assert_array_equal(nearest_pictures(times, 30.0), nearest)


def test_a_video_of_variable_rate_is_read_at_its_times(tmp_path):
    av = pytest.importorskip("av")
    path = tmp_path / "phone.mp4"
    at = [0, 1, 2, 3, 7, 8, 9, 10]  # a pause after the fourth picture
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=20)
        stream.height, stream.width, stream.pix_fmt = 48, 64, "yuv420p"
        for level, tick in zip(LEVELS, at, strict=False):
            frame = av.VideoFrame.from_ndarray(picture(level), "rgb24")
            frame.pts = tick
            frame.time_base = fractions.Fraction(1, 20)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    read = open_video(path)
    assert read.frame_rate == pytest.approx(20.0, rel=1e-3)
    np.testing.assert_array_equal(
        read.picture_of_tick[[0, 1, 2, 3, 7]], [0, 1, 2, 3, 4]
    )
    assert len(read) == 11
    assert sum(frame.is_new for frame in read.frames()) == 8


def test_a_phone_that_was_turned_gives_upright_pictures(video):
    """The matrix of the track header turns pictures by 90 degrees, clockwise."""
    content = bytearray(video.read_bytes())
    one = struct.pack(">i", 1 << 16)
    identity = one + bytes(12) + one + bytes(12) + struct.pack(">i", 1 << 30)
    header = content.index(b"tkhd")
    at = content.index(identity, header)
    minus = struct.pack(">i", -(1 << 16))
    turned = bytes(4) + one + bytes(4) + minus + bytes(8)
    turned += struct.pack(">ii", 48 << 16, 0) + struct.pack(">i", 1 << 30)
    content[at : at + 36] = turned
    video.write_bytes(content)
    read = open_video(video)
    assert read.size == (48, 64)
    image = next(read.frames()).image
    # The white quarter was at the upper left, and is at the upper right.
    assert image[:20, -16:].mean() > 200
    assert image[:20, :16].mean() < 120


def test_a_folder_of_pictures_is_a_video(tmp_path):
    for number, level in enumerate(LEVELS):
        write_png(tmp_path / f"frame{number}.png", picture(level))
    read = open_video(tmp_path, 10.0)
    assert (len(read), read.frame_rate, read.size) == (12, 10.0, (64, 48))
    np.testing.assert_array_equal(levels_of(read.frames()), LEVELS)
    assert open_video(tmp_path).frame_rate == 30.0
    write_png(tmp_path / "frame99.png", picture(9, 50, 64))
    with pytest.raises(InputError, match="pictures of two sizes"):
        list(open_video(tmp_path).frames())


def write_sound(path):
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes(bytes(8000))


@pytest.mark.parametrize(
    ("name", "write", "fault"),
    [
        ("none.mp4", lambda p: None, "no such file"),
        ("empty.mp4", lambda p: p.write_bytes(b""), "is empty"),
        ("text.mp4", lambda p: p.write_text("text " * 99), "no video that can be read"),
        ("sound.wav", write_sound, "no video that can be read"),
        ("photo.png", lambda p: write_png(p, picture(9)), "use the mode demo"),
        ("folder", lambda p: p.mkdir(), "holds no pictures"),
    ],
)
@pytest.mark.parametrize("look", [open_video, describe_video])
def test_what_is_no_video_is_one_line(tmp_path, capfd, name, write, fault, look):
    write(tmp_path / name)
    with pytest.raises(InputError, match=fault) as caught:
        look(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert capfd.readouterr().err == ""


def test_a_video_without_its_index_is_refused(video):
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 3])
    with pytest.raises(InputError):
        open_video(video)


def test_a_video_that_is_cut_is_read_as_far_as_it_goes_with_a_warning(tmp_path, caplog):
    pytest.importorskip("av")
    path = tmp_path / "video.mp4"
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(12)]
    write_video(path, noise, 25.0, "h264")
    assert len(open_video(path)) == 12
    assert caplog.text == ""
    content = path.read_bytes()
    path.write_bytes(content[: int(0.6 * len(content))])
    read = open_video(path)
    assert 3 < len(read) < 9
    assert len(list(read.frames())) == len(read)
    assert f"only {len(read)} of the 12 frames" in caplog.text


def test_the_extra_is_named_where_it_is_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(InputError, match=r"prohmr-jax\[video\]"):
        require_encoder("h264")
    assert best_codec() == "mp4v"
    assert require_encoder("mp4v").startswith("OpenCV")
