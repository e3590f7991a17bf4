"""Results are shown on a page, or by a server that a browser reaches."""

import io
import sys
import urllib.request

import numpy as np
import pytest
from PIL import Image

from prohmr_jax import main as command
from prohmr_jax.bulk_fitting.tables import FitTable
from prohmr_jax.errors import InputError
from prohmr_jax.files.body_files import read_body
from prohmr_jax.modes import view
from prohmr_jax.modes.config_files import shipped_config
from prohmr_jax.viewer.readers import read_people
from prohmr_jax.viewer.scene import PosedBodies
from tests.support.browser import browser_page
from tests.support.result_cases import write_some_table


@pytest.fixture
def folder(tmp_path):
    """Fits of two people, of whom one is implausible."""
    poses = {
        name: np.random.default_rng(2).normal(0, 0.2, shape)
        for name, shape in {
            "pose_axis_angle": (2, 5, 24, 3),
            "fit_pose_axis_angle": (2, 24, 3),
        }.items()
    }
    write_some_table(
        tmp_path / "fits.npz",
        FitTable,
        source=np.array(["a.json", "b.json"]),
        photo=np.array(["", ""]),
        frame=np.array([-1, -1]),
        track_id=np.array(["1", "2"]),
        fit_plausible=np.array([1, 0]),
        fit_implausible_reason=np.array(["", "too tall"]),
        **poses,
    )
    picture = Image.fromarray(np.full((20, 30, 3), 90, np.uint8))
    (tmp_path / "overlays").mkdir()
    picture.save(tmp_path / "overlays" / "000000_before_after.png")
    return tmp_path


def test_a_page_shows_the_fits(folder, monkeypatch, capsys):
    monkeypatch.setattr(command, "log_progress", lambda: None)
    command.main(["view", str(folder), "--html"])
    path = folder / "view.html"
    assert capsys.readouterr().out.splitlines() == [
        f"this is: prohmr-jax --config view --config.input={folder} --config.html",
        f"page: {path}",
    ]
    text = path.read_text("utf-8")
    assert "people: 2, implausible: 1" in text
    assert "implausible: too tall" in text
    assert "fitted to the keypoints" in text
    assert text.count("data:image/jpeg") == 1
    assert text.count("<canvas>") == 2


def test_without_viser_the_extra_is_named(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "viser", None)
    config = shipped_config("view").lock()
    config.input = str(folder)
    with pytest.raises(InputError, match=r"pip install 'prohmr-jax\[viewer\]'"):
        view.run(config)


def test_the_viewer_listens_on_this_machine_alone():
    assert shipped_config("view").host == "localhost"


@pytest.mark.slow
def test_a_browser_shows_bodies_and_what_is_chosen(folder):
    pytest.importorskip("viser", reason="needs viser")
    from prohmr_jax.viewer.server import Viewer

    people = read_people(folder)
    viewer = Viewer(people, PosedBodies(read_body("open")), "localhost", 8765)
    try:
        address = f"http://localhost:{viewer.port}"
        assert urllib.request.urlopen(address, timeout=10).status == 200
        with browser_page() as page:
            page.goto(address)

            def canvas() -> np.ndarray:
                box = {"x": 250, "y": 0, "width": 400, "height": 800}
                shot = page.screenshot(clip=box, timeout=180_000)
                return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), int)

            def wait_for(condition) -> np.ndarray:
                for _ in range(60):
                    viewer.play(0.5)
                    picture = canvas()
                    if condition(picture):
                        return picture
                raise AssertionError("the scene did not change")

            first = wait_for(lambda picture: np.ptp(picture) > 60)
            # The label of the body is on the panel, and follows the slider.
            page.get_by_text("fitted to the keypoints").wait_for(timeout=180_000)
            viewer.choose(body=2)
            page.get_by_text("sample 1 of 4").wait_for(timeout=180_000)
            chosen = wait_for(lambda picture: np.abs(picture - first).max() > 60)
            # What is drawn beside the body goes away again.
            ghosts = page.get_by_label("samples as ghosts")
            ghosts.check(timeout=180_000)
            wait_for(lambda picture: np.abs(picture - chosen).mean() > 0.5)
            ghosts.uncheck(timeout=180_000)
            wait_for(lambda picture: np.abs(picture - chosen).mean() < 0.1)
            viewer.choose(person=1)
            page.get_by_text("too tall").wait_for(timeout=180_000)
            outside = [
                url for url in page.requests
                if not url.startswith((address, "data:", "blob:", "ws:"))
            ]  # fmt: skip
            assert outside == []
            assert page.faults == []
    finally:
        viewer.stop()
