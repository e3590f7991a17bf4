"""Writes the positions of joints over time: TRC for OpenSim, and CSV.

OpenSim's own writer comes with OpenSim alone, which pip does not offer.
"""

import csv
import io
import os

import numpy as np

from prohmr_jax.files.atomic import write_atomically


def write_trc(
    path: str | os.PathLike,
    names: tuple[str, ...],
    positions: np.ndarray,
    frame_rate: float,
) -> None:
    """Writes a TRC file, the markers of OpenSim: metres, Y up.

    Args:
      path: file to write.
      names: names of the J joints.
      positions: [T, J, 3], metres, frame of mesh files.
      frame_rate: positions per second.

    Raises:
      InputError: the file cannot be written.
    """
    num_frames, num_joints = positions.shape[:2]
    rate = f"{frame_rate:g}"
    lines = [
        f"PathFileType\t4\t(X/Y/Z)\t{os.path.basename(path)}",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate"
        "\tOrigDataStartFrame\tOrigNumFrames",
        f"{rate}\t{rate}\t{num_frames}\t{num_joints}\tm\t{rate}\t1\t{num_frames}",
        "Frame#\tTime\t" + "\t\t\t".join(names) + "\t\t",
        "\t\t"
        + "\t".join(f"{axis}{n}" for n in range(1, num_joints + 1) for axis in "XYZ"),
        "",
    ]
    for number, row in enumerate(positions.reshape(num_frames, -1)):
        values = "\t".join(f"{value:.6f}" for value in row)
        lines.append(f"{number + 1}\t{number / frame_rate:.6f}\t{values}")
    text = "\n".join(lines) + "\n"
    write_atomically(path, lambda stream: stream.write(text.encode()))


def write_csv(
    path: str | os.PathLike,
    names: tuple[str, ...],
    positions: np.ndarray,
    frame_rate: float,
    measured: np.ndarray,
) -> None:
    """Writes a CSV file with a row for each frame: metres, Y up.

    Args:
      path: file to write.
      names: names of the J joints.
      positions: [T, J, 3], metres, frame of mesh files.
      frame_rate: positions per second.
      measured: whether the frame was measured, [T]; written as 1 or 0.

    Raises:
      InputError: the file cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    columns = (f"{name}_{axis}" for name in names for axis in "xyz")
    table.writerow(["frame", "time_s", "measured", *columns])
    for number, row in enumerate(positions.reshape(len(positions), -1)):
        start = [number, f"{number / frame_rate:.6f}", int(measured[number])]
        table.writerow([*start, *(f"{value:.6f}" for value in row)])
    write_atomically(path, lambda stream: stream.write(text.getvalue().encode()))
