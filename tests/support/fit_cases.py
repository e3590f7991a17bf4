"""Makes configs and inputs for the tests of bulk fitting."""

import importlib
import json
import pathlib

import numpy as np
from ml_collections import ConfigDict

from prohmr_jax.skeleton import COCO_17
from tests.support.demo_cases import ROOT, coco, openpose, person

UNSEEN = [0.0] * 75


def config_of(name: str, **changes) -> ConfigDict:
    """A shipped config, locked as on the command line, with keys changed."""
    config = importlib.import_module(f"configs.{name}").get_config().lock()
    config.update(changes)
    return config


def alphapose(*images: str) -> str:
    """The text of AlphaPose's results, one person of COCO's joints in each image."""
    return json.dumps(
        [
            {
                "image_id": image,
                "category_id": 1,
                "keypoints": person(50 + seed, len(COCO_17)),
                "score": 2.7,
                "box": [1.0, 2.0, 3.0, 4.0],
                "idx": 4 + seed,
            }
            for seed, image in enumerate(images)
        ]
    )


def write_folder(folder: pathlib.Path) -> pathlib.Path:
    """Seven people in three formats, and some who cannot be used."""
    folder.mkdir(parents=True)
    nan = openpose([float("nan")] * 75, person(9))
    texts = {
        "1_openpose.json": openpose(person(0), UNSEEN, person(1)),
        "2_cut.json": openpose(person(0))[:-9],
        "3_coco.json": coco("x.jpg", "y.jpg"),
        "4_alphapose.json": alphapose("x.jpg", "y.jpg"),
        "5_nan.json": nan,
        "6_nobody.json": openpose(),
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    return folder


def projected(joints, translation, intrinsics) -> np.ndarray:
    """[J, 2], pixels."""
    placed = (joints + translation) @ intrinsics.T
    return placed[..., :2] / placed[..., 2:]


CONFIGS = ROOT / "configs"
