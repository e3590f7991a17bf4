"""The moving picture of a result turns once around, and is an animation."""

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.inference.results import write_result
from tests.support.result_cases import CUBE_FACES, cube_meshes, cube_result
from tests.support.tools import tool


@pytest.fixture(scope="module")
def turning():
    return tool("make_turning_picture")


def test_a_quarter_turn_is_as_of_bodies_that_were_turned(turning):
    bodies = cube_meshes(3) * [1.0, 2.0, 0.5]
    bodies[1:, :, 0] += 0.4
    spread = np.linspace(0, 0.1, 8)
    # From x to depth, as a body turns whose left side comes to the front.
    turned = bodies[..., [2, 1, 0]] * [1, 1, -1]
    pictures = turning.turning_pictures(bodies, CUBE_FACES, spread, 4, 40)
    later = turning.turning_pictures(turned, CUBE_FACES, spread, 4, 40)
    assert len({picture.shape for picture in pictures}) == 1
    assert len({picture.tobytes() for picture in pictures}) == 4
    for number in range(4):
        gap = pictures[(number + 1) % 4].astype(int) - later[number]
        assert np.abs(gap).mean() < 0.5


def test_the_file_is_an_animation_or_nothing(turning, tmp_path, monkeypatch, capsys):
    result, output = tmp_path / "a_person0.npz", tmp_path / "turning.webp"
    write_result(result, cube_result())
    drawn = [np.full((8, 9, 3), 60 * n, np.uint8) for n in range(4)]
    monkeypatch.setattr(turning, "turning_pictures", lambda *_: drawn)
    arguments = [str(result), "--output", str(output), "--frames", "4"]
    assert turning.main(arguments) == 0
    with Image.open(output) as image:
        assert (image.n_frames, image.size) == (4, (9, 8))
    assert turning.main([str(tmp_path / "no.npz"), *arguments[1:]]) == 2
    assert "no.npz: no such file" in capsys.readouterr().err
