"""Commands of the documents are run, but for those that need what does not ship."""

import json
import os
import shlex
import shutil
import subprocess
import sys

import cv2
import pytest

from prohmr_jax.files.assets import DEMO_PHOTO
from tests.support.documents import DOCUMENTS, commands
from tests.support.paths import DEMO_KEYPOINTS, ROOT

# Commands in the order in which they are run, because some read what others wrote.
RUN = (
    "",
    "--config configs/demo.py",
    "doctor",
    "doctor photo.jpg",
    "photo.jpg",
    "photo.jpg --config.output=bodies --config.num_hypotheses=500",
    """export photo_person0.npz '--config.formats=('"'"'ply'"'"', '"'"'glb'"'"')' """
    "--config.hypothesis=3",
    "photos/",
    "people.json",
    "walk.mp4",
    "--config configs/video.py --config.input=walk.mp4",
    "--config fit --config.input=detections/",
    "--config fit --config.input=detections/ --config.output=labels/",
    "--config configs/fit.py --config.input=detections/ --config.output=labels/",
    "export labels/",
    "--config configs/export.py --config.input=labels/ --config.output=motion/",
    "view labels/ --html",
    "--config multiview --config.input=people.json --config.output=bodies/",
    "--config configs/multiview.py --config.input=people.json --config.output=bodies/",
)

# Parts of commands that cannot be run here, and why.
NOT_RUN = {
    "SMPL_NEUTRAL.pkl": "needs a licensed body; tests/modes fit and show such bodies",
    "held_out=": "needs motion capture that does not ship; tests/modes write their own",
    "Pose2Sim": "needs footage that does not ship; tests/modes/test_evaluate_real.py",
    "session/": "needs a session of Pose2Sim; tests/bulk_fitting write such sessions",
    "--workdir": "trains for hours or needs datasets; tests/training train tiny models",
    "synthetic_humans": "renders thousands of people; tests/synthetic render a few",
    "benchmark": "measures for a long time, alone on a machine; tests/benchmarks",
    "demo.mp4": "names a video of another package; walk.mp4 is run",
    "results/": "stands for the folder of any results; those of labels/ are read",
    "view outputs/demo/": "serves until it is stopped; tests/viewer open the viewer",
    "view bodies/views.npz": "serves until it is stopped; tests/viewer open the viewer",
    "configs/table": "measures for minutes or needs datasets; tests make tiny ones",
    "evaluate_detector": "needs labelled photos; tests/modes write such labels",
    "--config.weights=": "needs trained weights of a run; tests/modes use tiny ones",
}


def all_commands() -> list[str]:
    """Every command of a document, once."""
    texts = (path.read_text(encoding="utf-8") for path in DOCUMENTS)
    return sorted({shlex.join(c) for text in texts for c in commands(text)})


def test_every_command_is_run_or_has_a_reason():
    unknown = [
        command
        for command in all_commands()
        if command not in RUN and not any(part in command for part in NOT_RUN)
    ]
    assert unknown == []
    assert set(RUN) <= set(all_commands())


def write_inputs(folder) -> None:
    """Writes miniature inputs under the names that the documents use."""
    for name in ("photos", "detections"):
        (folder / name).mkdir()
    shutil.copy(DEMO_PHOTO, folder / "photo.jpg")
    shutil.copy(DEMO_PHOTO, folder / "photos" / "portrait.jpg")
    shutil.copy(DEMO_KEYPOINTS, folder / "detections" / "a_keypoints.json")
    text = DEMO_KEYPOINTS.read_text().replace("124.0", "125.0")
    (folder / "detections" / "b_keypoints.json").write_text(text)
    shutil.copy(DEMO_KEYPOINTS, folder / "people.json")
    (folder / "configs").symlink_to(ROOT / "configs")
    photo = cv2.imread(str(DEMO_PHOTO))
    size = photo.shape[1::-1]
    writer = cv2.VideoWriter(
        str(folder / "walk.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 30, size
    )
    for _ in range(30):
        writer.write(photo)
    writer.release()


@pytest.mark.slow
def test_commands_run(tmp_path):
    write_inputs(tmp_path)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    failed = {}
    for command in RUN:
        if "multiview" in command:
            views = [{"detections": f"detections/{v}_keypoints.json"} for v in "ab"]
            manifest = {"people": [{"person": "a", "views": views}]}
            (tmp_path / "people.json").write_text(json.dumps(manifest))
            shutil.rmtree(tmp_path / "bodies", ignore_errors=True)
        if "photo_person0" in command:
            shutil.copy(next(tmp_path.rglob("photo_person0.npz")), tmp_path)
        run = subprocess.run(
            [sys.executable, "-m", "prohmr_jax.main", *shlex.split(command)],
            cwd=tmp_path, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        print(command, run.returncode, flush=True)
        if run.returncode != 0:
            failed[command] = (run.stdout + run.stderr)[-600:]
    assert failed == {}
