"""Lists the formats of files that the package reads, for the tests that damage them.

Nothing here is a test. Each format has small sound files, a function that damages their
content, and the reader, which has to return a value or raise `InputError` whatever
stands in them.
"""

import contextlib
import dataclasses
import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
import scipy.sparse
from PIL import Image

from prohmr_jax.bulk_fitting.run_folder import RunFolder
from prohmr_jax.bulk_fitting.shards import ShardWriter
from prohmr_jax.bulk_fitting.sources import open_source
from prohmr_jax.bulk_fitting.tables import FitTable, read_table
from prohmr_jax.bulk_fitting.tracks import read_tracks
from prohmr_jax.bulk_fitting.video_table import VideoTable
from prohmr_jax.bulk_fitting.view_lists import people_of_manifest
from prohmr_jax.bulk_fitting.view_tables import ViewsTable, WorldTable
from prohmr_jax.data.crops import decode_image
from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.datasets.annotations import read_annotations
from prohmr_jax.data.datasets.mocap import read_mocap
from prohmr_jax.data.datasets.multiview_annotations import read_multiview
from prohmr_jax.data.datasets.pw3d_files import read_sequence
from prohmr_jax.detection.people_reader import PeopleReader, ReadingSettings
from prohmr_jax.errors import InputError
from prohmr_jax.evaluation.ablation_report import read_reports
from prohmr_jax.evaluation.body_errors import Errors
from prohmr_jax.evaluation.footage import film_people
from prohmr_jax.evaluation.keypoint_report import ConditionReport, JointsReport
from prohmr_jax.files.array_checks import Expected
from prohmr_jax.files.assets import DETECTOR_ERRORS
from prohmr_jax.files.body_files import read_body, read_body_arrays, read_mean_params
from prohmr_jax.files.calibrations.any_format import read_cameras
from prohmr_jax.files.images import image_size, read_image
from prohmr_jax.files.npz import write_npz
from prohmr_jax.files.state_dicts import read_state_dict
from prohmr_jax.files.video_writer import write_video
from prohmr_jax.files.videos import describe_video, open_video
from prohmr_jax.inference.results import read_result
from prohmr_jax.poses.bank import (
    PoseBank,
    read_held_out_clips,
    read_pose_bank,
    write_held_out_clips,
    write_pose_bank,
)
from prohmr_jax.poses.mocap.climbing import CLIMBING_53, read_climbing
from prohmr_jax.poses.mocap.clips import read_clips
from prohmr_jax.poses.mocap.deepmimic import read_deepmimic
from prohmr_jax.poses.mocap.splits import Split
from prohmr_jax.priors.detector_errors import load_detector_errors
from prohmr_jax.priors.gaussian_mixture import (
    PosePrior,
    load_pose_prior,
    save_pose_prior,
)
from prohmr_jax.viewer.people_pages import page_of_people
from prohmr_jax.viewer.readers import read_people
from prohmr_jax.viewer.scene import PosedBodies
from prohmr_jax.weights.headers import trained_body
from prohmr_jax.weights.movenet_conversion import read_tfjs_weights
from prohmr_jax.weights.weight_files import load_weights
from tests.support import attack_mutations as damage
from tests.support import calibration_files as calibrations
from tests.support import files_torch, poses_cases
from tests.support.datasets_case import make_record, write_people
from tests.support.datasets_files import official_arrays, spin_arrays
from tests.support.demo_cases import coco, openpose, person, write_photo
from tests.support.files_bodies import official, small
from tests.support.files_pickling import ERAS, pickled
from tests.support.old_files import old_file
from tests.support.paths import ROOT
from tests.support.result_cases import write_some_table

_DETECTIONS = ROOT / "tests" / "files" / "detections"
Damage = Callable[[np.random.Generator, bytes], bytes]


@dataclasses.dataclass(frozen=True)
class Format:
    """Holds what a test needs to know of a format."""

    write: Callable[[Path], Sequence[Path]]
    """Writes sound files into an empty folder, and returns those to damage."""
    damage: Damage
    """Returns the damaged content of a file."""
    read: Callable[[Path], object]
    """Reads a file of those that `write` returned."""
    is_text: bool = False
    """Whether files of the format are text, which is quickly read."""


def _read_people(path: Path) -> None:
    """Reads detections as a bulk fit does, whatever the photos are."""
    reader = PeopleReader(ReadingSettings())
    item = open_source(path, reader, path.parent / "output", None).read(0)
    for fitted in item.people:
        xy, confidence = fitted.keypoints.xy, fitted.keypoints.confidence
        assert np.isfinite(xy).all()
        assert np.abs(xy).max() < 1e7
        assert ((confidence >= 0) & (confidence <= 1)).all()
        names = [fitted.photo_name, fitted.detection.track_id, fitted.source]
        for name in filter(None, names):
            name.encode()
            assert len(name) < 5000
            assert "\n" not in name
    for line in item.left_out:
        assert len(line.encode()) < 5000
        assert "\n" not in line


def _detections(name: str) -> Format:
    def write(folder: Path) -> list[Path]:
        shutil.copy(_DETECTIONS / f"{name}.json", folder)
        return [folder / f"{name}.json"]

    return Format(write, damage.damage_json, _read_people, is_text=True)


def _write_other_detections(folder: Path) -> list[Path]:
    texts = {
        "people": openpose(person(0), person(1)),
        "frames": json.dumps([json.loads(openpose(person(n))) for n in range(3)]),
        "photos": coco("x.png", "y.png"),
        "lines": openpose(person(0)) + "\n" + openpose(person(1)),
        "by_name": json.dumps({"x.png": json.loads(openpose(person(0)))}),
    }
    for name, text in texts.items():
        (folder / f"{name}.json").write_text(text)
    write_photo(folder / "x.png")
    return [folder / f"{name}.json" for name in texts]


def _files_of(**files: str | bytes):
    """Returns a function that writes files, and damages the first alone."""

    def write(folder: Path) -> list[Path]:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            (folder / name).write_bytes(data)
        return [folder / next(iter(files))]

    return write


def _write_opencv(folder: Path) -> list[Path]:
    paths = [folder / f"cam{suffix}" for suffix in (".yml", ".xml", ".json")]
    for path in paths:
        calibrations.write_opencv(path, 0)
    return paths


def _write_stereo(folder: Path) -> list[Path]:
    calibrations.write_stereo(folder)
    return [folder / "intrinsics.yml", folder / "extrinsics.yml"]


def _write_easymocap(folder: Path) -> list[Path]:
    first = calibrations.write_easymocap(folder)
    return [first, first.with_name("extri.yml")]


_OWN_CAMERAS = {
    "c0": {"K": calibrations.K.tolist(), "R": np.eye(3).tolist(), "t": [0, 0, 1]},
    "c1": {"K": calibrations.K.tolist(), "R": np.eye(3).tolist(), "t": [1, 0, 1],
           "dist": [0, 0]},
}  # fmt: skip
_MANIFEST = {
    "people": [
        {"person": "a", "views": [
            {"detections": "a.json", "person_index": 0, "photo": "a.jpg",
             "camera": "c0"},
            {"detections": "b.json", "camera": _OWN_CAMERAS["c1"]},
        ]},
    ],
    "cameras": _OWN_CAMERAS,
}  # fmt: skip


def _read_image(path: Path) -> None:
    """Reads a photo in all three ways, of which none may hinder the others."""
    for read in (
        read_image,
        image_size,
        lambda file: decode_image(file.read_bytes(), file.name),
    ):
        with contextlib.suppress(InputError):
            read(path)


def _picture(suffix: str, **options) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        y, x = np.mgrid[0:40, 0:60]
        pixels = np.stack([4 * x, 6 * y, x + y], -1).astype(np.uint8)
        exif = Image.Exif()
        exif[0x0112] = 6
        path = folder / f"a{suffix}"
        extra = {"exif": exif} if suffix in (".jpg", ".png", ".webp") else {}
        Image.fromarray(pixels).save(path, **extra, **options)
        return [path]

    return write


def _arrays(arrays: dict[str, np.ndarray]) -> Callable[[Path], list[Path]]:
    def write(folder: Path) -> list[Path]:
        write_npz(folder / "a.npz", arrays)
        return [folder / "a.npz"]

    return write


def _write_body_pickles(folder: Path) -> list[Path]:
    paths = []
    for number, dump in enumerate(ERAS.values()):
        for name, fields in (("plain", small()), ("official", official(small()))):
            with contextlib.suppress(Exception):  # not all eras have all objects
                paths.append(folder / f"{name}{number}.pkl")
                paths[-1].write_bytes(dump(fields))
    return [path for path in paths if path.exists() and path.stat().st_size]


def _write_body_with_objects(folder: Path) -> list[Path]:
    sparse = np.empty((), object)
    sparse[()] = scipy.sparse.csc_matrix(small()["J_regressor"])
    np.savez(folder / "body.npz", **small(J_regressor=sparse))
    return [folder / "body.npz"]


def _write_extra_regressor(folder: Path) -> list[Path]:
    fields = {k: v for k, v in small().items() if k != "J_regressor_extra"}
    write_npz(folder / "body.npz", fields)
    path = folder / "SMPL_to_J19.pkl"
    path.write_bytes(pickled(small()["J_regressor_extra"], 2))
    return [path]


_STATE = {
    "module.weight": np.arange(12, dtype=np.float32).reshape(3, 4),
    "module.half": np.ones((2, 2), np.float16),
    "count": np.array(3),
}


def _write_torch(folder: Path, kind: str) -> list[Path]:
    state = {name: files_torch.tensor(array) for name, array in _STATE.items()}
    contents = {"plain": state, "lightning": files_torch.like_lightning(state)}
    for name, content in contents.items():
        files_torch.WRITERS[kind](folder / f"{name}.ckpt", content)
    return [folder / f"{name}.ckpt" for name in contents]


def _copied(*names: str, damaged: Sequence[str] = ()) -> Callable[[Path], list[Path]]:
    """Returns a function that copies files and folders of older versions."""

    def write(folder: Path) -> list[Path]:
        for name in names:
            copy = shutil.copytree if old_file(name).is_dir() else shutil.copy
            copy(old_file(name), folder / Path(name).name)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return [f for f in files if not damaged or f.name in damaged]

    return write


def _load_weights(path: Path) -> None:
    folders = [p for p in path.parents if (p / "model.json").exists()]
    weights = folders[0] if folders else path
    _, variables = load_weights(weights)
    trained_body(weights)
    assert {"params", "batch_stats", "mean_params"} == set(variables)


_IDENTITY = {"input": "a", "weights": "b"}


def _write_shards(folder: Path) -> list[Path]:
    """Writes what a bulk fit that was stopped leaves behind."""
    table, _, _ = read_table(old_file("fit/fits.npz"))
    columns = {
        field.name: getattr(table, field.name) for field in dataclasses.fields(FitTable)
    }
    count = len(table.source)
    texts = ("image_id", "track_id", "fit_implausible_reason")
    integers = ("fit_plausible",)
    for name, column in columns.items():
        if column is None:
            kind = "U1" if name in texts else "i4" if name in integers else "f4"
            columns[name] = np.zeros(count, kind)
    shards = ShardWriter(folder / "fits.npz", FitTable, _IDENTITY)
    with contextlib.closing(shards):
        shards.append(columns, ["a: person 3 is no one"], shards.position)
    files = sorted((folder / "shards").iterdir())
    return [f for f in files if f.suffix in (".npz", ".json")]


def _continue_shards(path: Path) -> None:
    table = path.parent.parent / "fits.npz"
    table.unlink(missing_ok=True)
    with contextlib.closing(ShardWriter(table, FitTable, _IDENTITY)) as shards:
        shards.finish()
        read_table(table)


def _read_table(path: Path) -> None:
    with contextlib.suppress(InputError):
        read_table(path)
    read_tracks(path, "fit")


def _pictures(count: int = 5) -> list[np.ndarray]:
    y, x = np.mgrid[0:48, 0:64]
    return [
        np.stack([2 * x + 9 * n, 4 * y, x + y], -1).astype(np.uint8)
        for n in range(count)
    ]


def _write_video(folder: Path) -> list[Path]:
    write_video(folder / "a.mp4", _pictures(), 25.0, "mp4v")
    frames = [Image.fromarray(picture) for picture in _pictures()]
    frames[0].save(folder / "b.gif", save_all=True, append_images=frames[1:])
    return [folder / "a.mp4", folder / "b.gif"]


def _read_video(path: Path) -> None:
    for read in (describe_video, lambda file: list(open_video(file).frames())):
        with contextlib.suppress(InputError):
            read(path)


def _write_footage(folder: Path) -> list[Path]:
    """Writes three videos, their calibration, and what was detected in them."""
    names = ("cam_01", "cam_02", "cam_03")
    lenses = {
        name: {**_OWN_CAMERAS["c0"], "t": [float(n), 0, 4]}
        for n, name in enumerate(names)
    }
    (folder / "cameras.json").write_text(json.dumps(lenses))
    points = np.random.default_rng(0).uniform(-0.8, 0.8, (25, 3))
    for n, name in enumerate(names):
        seen = (points + [n, 0, 4]) @ calibrations.K.T
        xy = np.stack([seen[:, :2] / seen[:, 2:]] * 2)
        write_video(folder / f"{name}.mp4", _pictures(), 25.0, "mp4v")
        content = (folder / f"{name}.mp4").read_bytes()
        arrays = {
            "frame": np.array([0, 1]), "xy": xy, "confidence": np.full((2, 25), 0.9),
            "frames": np.arange(5),
            "video_sha256": np.array(hashlib.sha256(content).hexdigest()),
        }  # fmt: skip
        write_npz(folder / "detections" / f"{name}.npz", arrays)
    return [*sorted(folder.glob("*.mp4")), *sorted(folder.rglob("*.npz")),
            folder / "cameras.json"]  # fmt: skip


def _damage_footage(rng: np.random.Generator, content: bytes) -> bytes:
    if content[:1] == b"{":
        return damage.damage_json(rng, content)
    is_archive = content[:2] == b"PK"
    return (damage.damage_archive if is_archive else damage.damage_bytes)(rng, content)


def _read_footage(path: Path) -> None:
    folder = _root_of(path)
    film_people(folder, folder / "detections", None, 1, 0)


_PART = {"frame": Expected(("N",), "integer"), "xy": Expected(("N", 25, 2))}


def _part_of_a_run(folder: Path) -> None:
    def compute() -> dict[str, np.ndarray]:
        return {"frame": np.arange(3), "xy": np.ones((3, 25, 2))}

    run = RunFolder(folder / "parts", _IDENTITY, folder / "video.mp4")
    with contextlib.closing(run):
        run.kept("detections00000", _PART, compute)


def _write_parts(folder: Path) -> list[Path]:
    _part_of_a_run(folder)
    return [folder / "parts" / name for name in ("detections00000.npz", "run.json")]


def _write_track(folder: Path) -> list[Path]:
    write_some_table(
        folder / "person0.npz", VideoTable, 3, frame=np.arange(3),
        track_id=np.full(3, "7"), provenance=_IDENTITY,
    )  # fmt: skip
    return [folder / "person0.npz"]


def _write_views(folder: Path) -> list[Path]:
    for schema in (ViewsTable, WorldTable):
        turned = {"camera_rotation": np.tile(np.eye(3), (2, 3, 1, 1))}
        write_some_table(
            folder / schema.__name__ / "views.npz", schema, provenance=_IDENTITY,
            **(turned if schema is WorldTable else {}),
        )  # fmt: skip
    return sorted(folder.rglob("views.npz"))


@functools.cache
def _posed() -> PosedBodies:
    return PosedBodies(read_body("open"))


def _show(path: Path) -> None:
    """Puts the people of a folder on a page, as the mode "view" does."""
    people = read_people(path.parent)
    with contextlib.suppress(InputError):  # Old files are of another body.
        _posed().require_body_of(people)
    page_of_people(people, _posed(), "a").write(_root_of(path) / "view.html")


def _write_bank(folder: Path) -> list[Path]:
    poses = poses_cases.random_poses(5).astype(np.float32)
    bank = PoseBank(poses, np.zeros(5, np.uint8), ("walk",))
    write_pose_bank(folder / "bank.npz", bank)
    return [folder / "bank.npz"]


def _write_held_out(folder: Path) -> list[Path]:
    clips = [(clip, Split.SEEN_ACTION) for clip in poses_cases.some_clips(3, 2)]
    write_held_out_clips(folder / "clips.npz", clips)
    return [folder / "clips.npz"]


def _write_prior(folder: Path) -> list[Path]:
    prior = PosePrior(
        np.log(np.full(2, 0.5)), np.zeros((2, 72)), np.stack([np.eye(72)] * 2)
    )
    save_pose_prior(folder / "prior.npz", prior)
    return [folder / "prior.npz"]


def _write_acclaim(folder: Path) -> list[Path]:
    poses_cases.write_original(folder, [poses_cases.ARMS_DOWN] * 5)
    return [folder / "07.asf", folder / "07_01.amc"]


def _write_expmap(folder: Path) -> list[Path]:
    clip = np.random.default_rng(0).normal(0, 0.1, (6, 39, 3))
    arrays = poses_cases.expmap_arrays({"walk__1": clip})
    write_npz(folder / "cmu.npz", arrays)
    return [folder / "cmu.npz"]


def _write_deepmimic(folder: Path) -> list[Path]:
    joints = (4, 4, 4, 1, 4, 4, 1, 4, 1, 4, 4, 1)
    rest = [n for count in joints for n in ([0.0] if count == 1 else [1.0, 0, 0, 0])]
    frame = [0.1, 0.0, 0.9, 0.0, 1.0, 0.0, 0.0, 0.0, *rest]
    path = folder / "humanoid3d_walk.txt"
    path.write_text(json.dumps({"Loop": "wrap", "Frames": [frame[:44]] * 3}))
    return [path]


def _write_climbing(folder: Path) -> list[Path]:
    (folder / "clip").mkdir()
    path = folder / "clip" / "a.npy"
    np.save(path, np.random.default_rng(0).normal(size=(9, len(CLIMBING_53), 3)))
    return [path]


def _write_multiview(folder: Path) -> list[Path]:
    people = [
        {name: value for name, value in official_arrays(("a.jpg", "b.jpg"), n).items()}
        for n in range(2)
    ]
    path = folder / "views.pkl"
    path.write_bytes(pickled(people, 2))
    return [path]


def _write_3dpw(folder: Path) -> list[Path]:
    rng = np.random.default_rng(0)
    content = {
        "sequence": "walk_00",
        "genders": ["m"],
        "poses": [rng.normal(size=(3, 72))],
        "trans": [rng.normal(size=(3, 3))],
        "betas": [rng.normal(size=10)],
        "poses2d": [rng.uniform(20, 50, (3, 3, 18))],
        "campose_valid": [np.ones(3)],
        "cam_poses": np.tile(np.eye(4), (3, 1, 1)),
        "cam_intrinsics": np.eye(3),
    }
    (folder / "walk_00.pkl").write_bytes(pickled(content, 2))
    return [folder / "walk_00.pkl"]


def _write_dataset(folder: Path) -> list[Path]:
    write_people(folder, [make_record(n) for n in range(3)])
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _root_of(path: Path) -> Path:
    """Returns the folder that a format was written to."""
    return next(p for p in path.parents if p.name == "work")


def _read_dataset(path: Path) -> None:
    reader = DatasetReader(Source(str(_root_of(path)), "train", 1.0))
    for number in range(len(reader)):
        reader[number]
    source = open_source(
        _root_of(path), PeopleReader(ReadingSettings()), Path("output"), None
    )
    for number in range(len(source)):
        source.read(number)


_TFJS = {"weightsManifest": [{"paths": ["net.bin"], "weights": [
    {"name": "a", "shape": [2, 3], "dtype": "float32"},
    {"name": "b", "shape": [2], "dtype": "float32",
     "quantization": {"dtype": "float16"}},
]}]}  # fmt: skip
_ERRORS = {
    field.name: [1.0] if field.name.startswith("best") else 1.0
    for field in dataclasses.fields(Errors)
}
_JOINTS = {field.name: 1.0 for field in dataclasses.fields(JointsReport)}
_REPORT = {field.name: 1.0 for field in dataclasses.fields(ConditionReport)} | {
    "split": "a", "condition": "b", "counts": [1], "h36m_14": _ERRORS,
    "smpl_24": _ERRORS, "mode_pa_interval": [1.0, 2.0], "seen": _JOINTS,
    "hidden": _JOINTS,
}  # fmt: skip


_NPZ = damage.damage_archive
_TEXT = functools.partial(Format, is_text=True)
_PNG = damage.damage_png
_BYTES = damage.damage_bytes

FORMATS: dict[str, Format] = {
    **{f"detections {p.stem}": _detections(p.stem)
       for p in sorted(_DETECTIONS.glob("*.json"))},
    "detections of several pictures": _TEXT(
        _write_other_detections, damage.damage_json, _read_people),
    "cameras of this project": _TEXT(
        _files_of(**{"cameras.json": json.dumps(_OWN_CAMERAS)}),
        damage.damage_json, read_cameras),
    "cameras of Pose2Sim": _TEXT(
        _files_of(**{"Calib.toml": calibrations.POSE2SIM}),
        damage.damage_text, read_cameras),
    "cameras of Qualisys": _TEXT(
        _files_of(**{"a.qca.txt": calibrations.QUALISYS}),
        damage.damage_text, read_cameras),
    "cameras of EasyMocap": _TEXT(_write_easymocap, damage.damage_text, read_cameras),
    "cameras of OpenCV": _TEXT(_write_opencv, damage.damage_text, read_cameras),
    "cameras of stereo": _TEXT(_write_stereo, damage.damage_text, read_cameras),
    "list of views": _TEXT(
        _files_of(**{"people.json": json.dumps(_MANIFEST)}), damage.damage_json,
        lambda path: people_of_manifest(path, True, {})),
    "motion of DeepMimic": _TEXT(
        _write_deepmimic, damage.damage_json, lambda path: read_deepmimic(path.parent)),
    "motion of Acclaim": _TEXT(
        _write_acclaim, damage.damage_text, lambda path: read_clips(path.parent)),
    "report of keypoints": _TEXT(
        _files_of(**{"report.json": json.dumps({"reports": [_REPORT]})}),
        damage.damage_json, read_reports),
    "weights of TensorFlow.js": _TEXT(
        _files_of(**{"net.json": json.dumps(_TFJS), "net.bin": bytes(28)}),
        damage.damage_json, read_tfjs_weights),
    **{f"photo {suffix}": Format(
        _picture(suffix, **options), _PNG if suffix == ".png" else _BYTES, _read_image)
       for suffix, options in {
           ".jpg": {}, ".png": {}, ".webp": {}, ".avif": {}, ".tif": {}, ".bmp": {},
           ".gif": {}, ".ppm": {},
       }.items()},
    "body .npz": Format(_arrays(small()), _NPZ, read_body_arrays),
    "body .npz of objects": Format(_write_body_with_objects, _NPZ, read_body_arrays),
    "body .pkl": Format(_write_body_pickles, damage.damage_pickle, read_body_arrays),
    "regressor .pkl": Format(
        _write_extra_regressor, damage.damage_pickle,
        lambda path: read_body_arrays(path.with_name("body.npz"))),
    "mean parameters": Format(
        _arrays({"shape": np.zeros(10), "cam": np.ones(3)}), _NPZ, read_mean_params),
    "weights of torch": Format(
        lambda folder: _write_torch(folder, "zip"), damage.damage_torch_archive,
        read_state_dict),
    "weights of old torch": Format(
        lambda folder: _write_torch(folder, "legacy"), damage.damage_pickle,
        read_state_dict),
    "weights of safetensors": Format(
        _files_of(**{"a.safetensors": safetensors.numpy.save(_STATE)}),
        damage.damage_safetensors, read_state_dict),
    "weights .npz": Format(_copied("keypoint_weights.npz"), _NPZ, _load_weights),
    "weights directory": Format(_copied("weights_directory"), _BYTES, _load_weights),
    "description of weights": _TEXT(
        _copied("weights_directory", damaged=["model.json"]), damage.damage_json,
        _load_weights),
    "result": Format(_copied("demo/person_person0.npz"), _NPZ, read_result),
    "table": Format(_copied("fit/fits.npz"), _NPZ, _read_table),
    "video": Format(_write_video, _BYTES, _read_video),
    "footage of several cameras": Format(
        _write_footage, _damage_footage, _read_footage),
    "parts of a video's run": Format(
        _write_parts, _damage_footage, lambda path: _part_of_a_run(_root_of(path))),
    "person of a video": Format(_write_track, _NPZ, _read_table),
    "person of a video in the viewer": Format(_write_track, _NPZ, _show),
    "result in the viewer": Format(_copied("demo/person_person0.npz"), _NPZ, _show),
    "table in the viewer": Format(_copied("fit/fits.npz"), _NPZ, _show),
    "table of views in the viewer": Format(_write_views, _NPZ, _show),
    "shards": Format(_write_shards, _NPZ, _continue_shards),
    "pose bank": Format(_write_bank, _NPZ, read_pose_bank),
    "held-out clips": Format(_write_held_out, _NPZ, read_held_out_clips),
    "pose prior": Format(_write_prior, _NPZ, load_pose_prior),
    "detector errors": Format(
        _files_of(**{"errors.npz": DETECTOR_ERRORS.read_bytes()}), _NPZ,
        load_detector_errors),
    "motion of CMU": Format(_write_expmap, _NPZ, read_clips),
    "motion of climbing": Format(
        _write_climbing, damage.damage_member,
        lambda path: read_climbing(_root_of(path))),
    "annotations of ProHMR": Format(_arrays(official_arrays()), _NPZ, read_annotations),
    "annotations of SPIN": Format(_arrays(spin_arrays()), _NPZ, read_annotations),
    "annotations of views": Format(
        _write_multiview, damage.damage_pickle, read_multiview),
    "poses of a discriminator": Format(
        _arrays({"pose": np.zeros((4, 72)), "betas": np.zeros((4, 10))}), _NPZ,
        read_mocap),
    "sequence of 3DPW": Format(_write_3dpw, damage.damage_pickle, read_sequence),
    "dataset": Format(_write_dataset, _BYTES, _read_dataset),
}  # fmt: skip
"""Every format by its name in messages."""
