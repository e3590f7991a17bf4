"""Files of calibrated cameras, one of each program; nothing here is a test."""

import cv2
import numpy as np

K = np.array([[1000.0, 0, 500], [0, 1010.0, 400], [0, 0, 1]])
# The second camera stands 4 metres from the first one and is turned by a right angle.
ROTATIONS = np.array([np.eye(3), [[0.0, 0, 1], [0, 1, 0], [-1, 0, 0]]])
TRANSLATIONS = np.array([[0.0, 0, 3], [0.5, 0, 4]])
DISTORTIONS = np.array([[-0.25, 0.07, 0.001, -0.002, 0.0], [0.0, 0, 0, 0, 0]])

POSE2SIM = """
[cam_01]
name = "cam_01"
size = [ 1000.0, 800.0]
matrix = [ [ 1000.0, 0.0, 500.0], [ 0.0, 1010.0, 400.0], [ 0.0, 0.0, 1.0]]
distortions = [ -0.25, 0.07, 0.001, -0.002]
rotation = [ 0.0, 0.0, 0.0]
translation = [ 0.0, 0.0, 3.0]
fisheye = false

[cam_02]
name = "cam_02"
size = [ 1000.0, 800.0]
matrix = [ [ 1000.0, 0.0, 500.0], [ 0.0, 1010.0, 400.0], [ 0.0, 0.0, 1.0]]
distortions = [ 0.0, 0.0, 0.0, 0.0]
rotation = [ 0.0, 1.5707963267948966, 0.0]
translation = [ 0.5, 0.0, 4.0]
fisheye = false

[metadata]
adjusted = false
error = 0.0
"""
# 64ths of pixels; millimetres; the camera looks along -z with y up.
QUALISYS = """<?xml version="1.0" encoding="UTF-8"?>
<calibration created="2024-01-01" source="QTM" type="regular">
 <results std-dev="0.5" min-max-diff="1.0"/>
 <cameras>
  <camera active="1" avg-residual="0.4" serial="1" model="Miqus Video" viewrotation="0">
   <fov_video left="20" top="10" right="1019" bottom="809"/>
   <transform x="0" y="0" z="-3000" r11="1" r12="0" r13="0" r21="0" r22="-1" r23="0"
    r31="0" r32="0" r33="-1"/>
   <intrinsic focalLengthU="64000" focalLengthV="64640" centerPointU="33280"
    centerPointV="26240" skew="0" radialDistortion1="-0.25" radialDistortion2="0.07"
    radialDistortion3="0" tangentalDistortion1="0.001" tangentalDistortion2="-0.002"/>
  </camera>
  <camera active="1" avg-residual="0.4" serial="2" model="Miqus Video" viewrotation="0">
   <fov_video left="20" top="10" right="1019" bottom="809"/>
   <transform x="4000" y="0" z="-500" r11="0" r12="0" r13="1" r21="0" r22="-1" r23="0"
    r31="1" r32="0" r33="0"/>
   <intrinsic focalLengthU="64000" focalLengthV="64640" centerPointU="33280"
    centerPointV="26240" skew="0" radialDistortion1="0" radialDistortion2="0"
    radialDistortion3="0" tangentalDistortion1="0" tangentalDistortion2="0"/>
  </camera>
 </cameras>
</calibration>
"""


def matrix(rows) -> str:
    """A matrix as OpenCV's YAML has it."""
    rows = np.atleast_2d(rows)
    data = ", ".join(f"{float(value)!r}" for value in rows.flat)
    return (
        f"!!opencv-matrix\n   rows: {rows.shape[0]}\n   cols: {rows.shape[1]}\n"
        f"   dt: d\n   data: [ {data} ]\n"
    )


INTRI, EXTRI = '%YAML:1.0\n---\nnames:\n  - "1"\n  - "2"\n', "%YAML:1.0\n---\n"
EXTRI += 'names:\n  - "1"\n  - "2"\n'
for number, (rotation, translation, distortion) in enumerate(
    zip(ROTATIONS, TRANSLATIONS, DISTORTIONS, strict=True), start=1
):
    vector, _ = cv2.Rodrigues(rotation)
    INTRI += f"K_{number}: {matrix(K)}dist_{number}: {matrix(distortion)}"
    EXTRI += f"R_{number}: {matrix(vector)}Rot_{number}: {matrix(rotation)}"
    EXTRI += f"T_{number}: {matrix(translation[:, None])}"


def write_easymocap(folder, intrinsics=INTRI, extrinsics=EXTRI):
    (folder / "intri.yml").write_text(intrinsics)
    (folder / "extri.yml").write_text(extrinsics)
    return folder / "intri.yml"


def write_opencv(path, number: int, names=("camera_matrix", "distortion_coefficients")):
    """One camera, as OpenCV itself writes it."""
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Mon 1 Jan 2024")
    storage.write("image_width", 1000)
    storage.write("image_height", 800)
    storage.write(names[0], K)
    storage.write(names[1], DISTORTIONS[number])
    storage.write("R", ROTATIONS[number])
    storage.write("T", TRANSLATIONS[number][:, None])
    storage.release()


def write_stereo(folder):
    """The world of OpenCV's stereo calibration is the first camera."""
    for name, entries in {
        "intrinsics": {"M1": K, "D1": DISTORTIONS[0], "M2": K, "D2": DISTORTIONS[1]},
        "extrinsics": {
            "R": ROTATIONS[1] @ ROTATIONS[0].T,
            "T": (TRANSLATIONS[1] - ROTATIONS[1] @ TRANSLATIONS[0])[:, None],
            "R1": np.eye(3), "R2": np.eye(3), "P1": np.eye(3, 4), "Q": np.eye(4),
        },
    }.items():  # fmt: skip
        storage = cv2.FileStorage(str(folder / f"{name}.yml"), cv2.FILE_STORAGE_WRITE)
        for key, value in entries.items():
            storage.write(key, value)
        storage.release()
