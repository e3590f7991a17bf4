"""Detections, photos and configs for the tests of the demo; nothing here is a test."""

import importlib.util
import json
import pathlib

import jax
import numpy as np
from ml_collections import ConfigDict
from PIL import Image

from prohmr_jax.models.spec import ModelSpec, build_model, init_variables
from prohmr_jax.skeleton import BODY_25, COCO_17
from prohmr_jax.weights.weight_files import save_weights
from tests.support.paths import ROOT

PHOTO_SIZE = (200, 240)


def demo_config(**changes) -> ConfigDict:
    """The shipped config, locked as on the command line, with keys changed."""
    spec = importlib.util.spec_from_file_location("demo", ROOT / "configs" / "demo.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    config = module.get_config().lock()
    config.update(changes)
    return config


def person(seed: int, joints: int = len(BODY_25)) -> list[float]:
    """Keypoints somewhere within the photo, all of them seen but one."""
    rng = np.random.default_rng(seed)
    low = rng.uniform(10, 60, 2)
    xy = low + rng.uniform(0, 120, (joints, 2))
    confidence = rng.uniform(0.3, 1.0, joints)
    confidence[joints // 2] = 0.0
    return np.concatenate([xy, confidence[:, None]], 1).round(3).ravel().tolist()


def openpose(*people: list[float]) -> str:
    """The text of OpenPose's file."""
    return json.dumps({"people": [{"pose_keypoints_2d": p} for p in people]})


def coco(*images: str) -> str:
    """The text of COCO results, one person in each image."""
    return json.dumps(
        [
            {"image_id": name, "score": 0.9, "keypoints": person(seed, len(COCO_17))}
            for seed, name in enumerate(images)
        ]
    )


def write_photo(path: pathlib.Path, mode: str = "RGB", size=PHOTO_SIZE) -> None:
    """A smooth picture of (width, height)."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]]
    planes = np.stack([x % 256, y % 256, (x + y) % 256], -1).astype(np.uint8)
    Image.fromarray(planes).convert(mode).save(path)


def write_weights(path: pathlib.Path, num_betas: int = 10) -> pathlib.Path:
    """Random weights of a very small model of keypoints."""
    return _write_random(
        path,
        ModelSpec(
            encoder_width=16,
            encoder_blocks=1,
            context_features=16,
            flow_layers=2,
            flow_hidden=16,
            flow_batch_norm=False,
            head_hidden=16,
            num_betas=num_betas,
        ),
    )


def write_image_weights(path: pathlib.Path) -> pathlib.Path:
    """Random weights of a model that looks at crops of 32 pixels."""
    spec = ModelSpec(
        encoder="resnet18", input_size=32, context_features=512, flow_layers=1,
        flow_blocks=1, flow_hidden=8, flow_batch_norm=False, head_hidden=8,
    )  # fmt: skip
    variables = init_variables(build_model(spec), jax.random.key(0))
    save_weights(path, spec, variables)
    return path


def _write_random(path: pathlib.Path, spec: ModelSpec) -> pathlib.Path:
    shapes = jax.eval_shape(
        lambda: init_variables(build_model(spec), jax.random.key(0))
    )
    rng = np.random.default_rng(0)
    variables = jax.tree.map(lambda a: 0.2 * rng.normal(size=a.shape), shapes)
    variables["mean_params"]["head"]["camera"] = np.array([0.9, 0.0, 0.0])
    save_weights(path, spec, variables)
    return path
