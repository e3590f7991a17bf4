"""Human3.6M's files: which joint is which, units, frames, cameras."""

import cdflib.cdfwrite
import numpy as np
import pytest

from prohmr_jax.data.dataset_reader import DatasetReader, Source
from prohmr_jax.data.datasets.builder import write_dataset
from prohmr_jax.data.datasets.h36m import h36m_records
from prohmr_jax.errors import InputError
from prohmr_jax.skeleton import EXTRA_19
from tests.support.datasets_files import write_photos

FRAMES = 7
CAMERAS = ("54138969", "60457274")
POSITIONS, PIXELS = "D3_Positions_mono", "D2_Positions"
# The official preparation: these of the 32 joints go to these of EXTRA_19.
PICKED = [11, 6, 7, 8, 1, 2, 3, 12, 24, 14, 15, 17, 18, 19, 25, 26, 27]
PLACED = [14, 3, 4, 5, 2, 1, 0, 16, 12, 17, 18, 9, 10, 11, 8, 7, 6]


def write_cdf(path, pose):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    file = cdflib.cdfwrite.CDF(path)
    description = {
        "Variable": "Pose", "Data_Type": file.CDF_FLOAT, "Num_Elements": 1,
        "Rec_Vary": True, "Var_Type": "zVariable", "Dim_Sizes": list(pose.shape[1:]),
    }  # fmt: skip
    file.write_var(description, var_data=pose.astype(np.float32))
    file.close()


def file_of(root, kind, take="Directions 1", camera=CAMERAS[0], subject="S1"):
    return root / subject / "MyPoseFeatures" / kind / f"{take}.{camera}.cdf"


def poses(camera, columns):
    rng = np.random.default_rng(int(camera) + columns)
    low, high = (-900, 900) if columns == 3 else (20, 50)
    return rng.uniform(low, high, (1, FRAMES, 32 * columns)).astype(np.float32)


@pytest.fixture
def root(tmp_path):
    for camera in CAMERAS:
        for take in ("Directions 1", "TakingPhoto", "_ALL 1"):
            for kind, columns in ((POSITIONS, 3), (PIXELS, 2)):
                write_cdf(file_of(tmp_path, kind, take, camera), poses(camera, columns))
    return tmp_path


def test_joints_are_those_of_the_official_preparation_in_metres(root):
    record = next(h36m_records(root, ["S1"]))
    assert record.name == "S1_Directions_1.54138969_000001.jpg"
    positions = poses(CAMERAS[0], 3)[0, 0].reshape(32, 3) / 1000
    pixels = poses(CAMERAS[0], 2)[0, 0].reshape(32, 2)
    expected_3d, expected_2d = np.zeros((19, 4)), np.zeros((19, 3))
    expected_3d[PLACED, :3], expected_3d[PLACED, 3] = positions[PICKED], 1
    expected_2d[PLACED, :2], expected_2d[PLACED, 2] = pixels[PICKED], 1
    np.testing.assert_allclose(record.keypoints_3d[25:], expected_3d, rtol=1e-6)
    np.testing.assert_allclose(record.keypoints_2d[25:], expected_2d, rtol=1e-6)
    assert not record.keypoints_3d[:25].any()
    assert not record.keypoints_2d[:25].any()
    assert (record.has_pose, record.has_betas) == (False, False)
    low, high = pixels.min(0), pixels.max(0)
    np.testing.assert_allclose(record.box_center, (low + high) / 2, rtol=1e-6)
    assert abs(record.box_size - 1.2 * (high - low).max()) < 1e-4
    assert not record.keypoints_2d[25 + EXTRA_19.index("head_top_lsp")].any()


def test_cameras_of_an_instant_are_in_a_row_and_share_the_person(root):
    records = list(h36m_records(root, ["S1"]))
    assert [record.name for record in records[:4]] == [
        "S1_Directions_1.54138969_000001.jpg",
        "S1_Directions_1.60457274_000001.jpg",
        "S1_Directions_1.54138969_000006.jpg",
        "S1_Directions_1.60457274_000006.jpg",
    ]
    assert records[0].person == records[1].person != records[2].person
    assert [record.action for record in records] == ["Directions"] * 4 + ["Photo"] * 4


def test_frames_and_cameras_are_chosen(root):
    records = list(h36m_records(root, ["S1"], cameras=CAMERAS[1:], every=3))
    assert [record.name[-19:-4] for record in records[:3]] == [
        "60457274_000001", "60457274_000004", "60457274_000007",
    ]  # fmt: skip
    assert len(records) == 6


def test_records_find_the_photos_of_the_official_extraction(root, tmp_path):
    names = [record.name for record in h36m_records(root, ["S1"])]
    images = write_photos(tmp_path / "images", names[:-1])
    tally = write_dataset(
        tmp_path / "out", "h36m", {"train": h36m_records(root, ["S1"])}, images=images
    )
    assert (tally.people["train"], tally.skipped) == (7, 1)
    record, _ = DatasetReader(Source(str(tmp_path / "out"), "train", 1.0))[6]
    assert (record.name, record.action) == (names[6], "Photo")


def test_joints_that_are_not_known_are_missing(root):
    pixels = poses(CAMERAS[0], 2)
    pixels[0, 0, 2 * PICKED[1]] = np.nan
    pixels[0, 5] = np.nan
    write_cdf(file_of(root, PIXELS), pixels)
    first, _, second, *_ = h36m_records(root, ["S1"])
    assert np.isfinite(first.box_size)
    assert np.isnan(second.box_size)


@pytest.mark.parametrize("content", [b"", b"no cdf", "cut"])
@pytest.mark.parametrize("kind", [POSITIONS, PIXELS])
def test_damaged_files_are_named(root, content, kind):
    path = file_of(root, kind)
    path.write_bytes(path.read_bytes()[:900] if content == "cut" else content)
    with pytest.raises(InputError) as error:
        list(h36m_records(root, ["S1"]))
    assert str(error.value) == f"{path}: is not a .cdf file with 'Pose', or is damaged"


def test_pixels_must_be_there(root):
    file_of(root, PIXELS).unlink()
    with pytest.raises(InputError, match="D2_Positions/.*: does not exist"):
        list(h36m_records(root, ["S1"]))


def test_other_shapes_and_subjects_are_refused(root):
    write_cdf(file_of(root, PIXELS), poses(CAMERAS[0], 2)[:, :3])
    with pytest.raises(InputError, match="has 3 frames, and .* has 7"):
        list(h36m_records(root, ["S1"]))
    write_cdf(file_of(root, PIXELS), poses(CAMERAS[0], 3))
    with pytest.raises(InputError, match=r"shape \[1, 7, 96\], not \[1, frames, 64\]"):
        list(h36m_records(root, ["S1"]))
    with pytest.raises(InputError, match="S2/.* holds no poses such as"):
        list(h36m_records(root, ["S2"]))
