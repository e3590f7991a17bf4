"""A short command line is the long one with its config named."""

import pytest

from prohmr_jax.errors import InputError
from prohmr_jax.modes import shorthand
from prohmr_jax.modes.config_files import shipped_names
from prohmr_jax.modes.shorthand import COMMANDS, in_full


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in (
        "photo.jpg", "PHOTO.HEIC", "people.json", "list.txt", "walk.mp4", "a b.png",
        "person0.npz", "own.py", "notes.md", "none",
    ):  # fmt: skip
        (tmp_path / name).touch()
    for name in ("photos", "clip.mp4"):
        (tmp_path / name).mkdir()


@pytest.mark.parametrize(
    ("short", "full"),
    [
        ("", "--config demo"),
        ("--config.seed=3", "--config demo --config.seed=3"),
        ("photo.jpg", "--config demo --config.input=photo.jpg"),
        ("PHOTO.HEIC", "--config demo --config.input=PHOTO.HEIC"),
        ("people.json", "--config demo --config.input=people.json"),
        ("list.txt", "--config demo --config.input=list.txt"),
        ("photos/", "--config demo --config.input=photos/"),
        ("clip.mp4", "--config demo --config.input=clip.mp4"),
        ("photo.jpg --config.seed 3", "--config demo --config.input=photo.jpg "
         "--config.seed 3"),
        ("doctor", "doctor --config demo"),
        ("doctor photo.jpg", "doctor --config demo --config.input=photo.jpg"),
        ("export photos", "--config export --config.input=photos"),
        ("export", "--config export"),
        ("view", "--config view"),
        ("view --html", "--config view --config.html"),
        ("view photos --host=0.0.0.0 --port 9",
         "--config view --config.input=photos --config.host=0.0.0.0 --config.port 9"),
        ("export --config.seed=3", "--config export --config.seed=3"),
    ],
)  # fmt: skip
def test_a_config_is_named(short, full):
    assert in_full(short.split()) == full.split()


@pytest.mark.parametrize(
    "full",
    ["--config fit --config.input=x", "doctor --config=fit", "--workdir x --config a",
     "--config"],
)  # fmt: skip
def test_a_command_line_in_full_is_unchanged(full):
    assert in_full(full.split()) == full.split()


def test_a_path_with_a_space_is_one_argument():
    assert in_full(["a b.png"]) == ["--config", "demo", "--config.input=a b.png"]


@pytest.mark.parametrize("has_video", [True, False])
def test_a_video_goes_to_its_config_if_there_is_one(monkeypatch, has_video):
    names = ["demo", "video"] if has_video else ["demo"]
    monkeypatch.setattr(shorthand, "shipped_names", lambda: names)
    if has_video:
        video = ["--config", "video", "--config.input=walk.mp4"]
        own_folder = "--config.output=outputs/video/walk"
        assert in_full(["walk.mp4"]) == [*video, own_folder]
        there = ["--config.output", "there"]
        assert in_full(["walk.mp4", *there]) == [*video, *there]
    else:
        with pytest.raises(InputError, match=r"walk.mp4: is a video, which cannot be"):
            in_full(["walk.mp4"])


@pytest.mark.parametrize(
    ("short", "said"),
    [
        ("gone.jpg", "gone.jpg: no such file or folder"),
        ("export gone", "gone: no such file or folder"),
        ("doctor gone", "gone: no such file or folder"),
        ("exprt", "did you mean 'export'"),
        ("multiview", "run by --config multiview"),
        ("notes.md", "notes.md: is not a photo, a .json file"),
        ("none", "none: is not a photo"),
        ("person0.npz", "prohmr-jax view person0.npz"),
        ("own.py", "own.py: is a config, perhaps; use --config own.py"),
        ("photo.jpg photos", "photos: is a second path"),
        ("photo.jpg --config fit", "photo.jpg: already means a config"),
        ("photo.jpg --config.seed=3 --config=fit", "photo.jpg: already means a config"),
        ("export --config fit", "export: already means a config"),
        ("photo.jpg --config.input=photos", "photo.jpg: is an input already"),
    ],
)
def test_mistakes_are_named(short, said):
    with pytest.raises(InputError) as error:
        in_full(short.split())
    assert said in str(error.value)


def test_commands_name_configs_that_ship():
    assert set(COMMANDS.values()) <= set(shipped_names())
