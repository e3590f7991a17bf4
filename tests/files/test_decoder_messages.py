"""Decoders of damaged pictures print nothing, and everything else is still printed."""

import contextlib
import io
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from prohmr_jax.data.crops import decode_image
from prohmr_jax.errors import InputError
from prohmr_jax.files.decoder_messages import quiet_decoders
from prohmr_jax.files.images import read_image


def damaged(kind: str, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **options)
    data = bytearray(stream.getvalue())
    middle = len(data) // 2
    data[middle : middle + 300] = b"\x5a" * 300
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [damaged("JPEG"), damaged("PNG"), damaged("TIFF", compression="tiff_lzw"),
     damaged("TIFF", compression="jpeg"), damaged("BMP")[:900], damaged("GIF")[:900]],
)  # fmt: skip
def test_damaged_pictures_print_nothing(data, tmp_path, capfd):
    (tmp_path / "a").write_bytes(data)
    for read, arguments in (
        (read_image, [tmp_path / "a"]),
        (decode_image, [data, "a"]),
    ):
        with contextlib.suppress(InputError):
            read(*arguments)
    assert capfd.readouterr() == ("", "")


def test_what_is_written_before_and_after_is_printed(capfd):
    os.write(2, b"before ")
    with contextlib.suppress(ValueError), quiet_decoders():
        os.write(2, b"during ")
        raise ValueError
    os.write(2, b"after")
    assert capfd.readouterr().err == "before after"


def test_other_threads_drop_nothing(capfd):
    def work():
        with quiet_decoders():
            os.write(2, b"heard")

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert capfd.readouterr().err == "heard"


def test_without_a_standard_error_stream():
    script = (
        "import os\nos.close(2)\n"
        "from prohmr_jax.files.decoder_messages import quiet_decoders\n"
        "with quiet_decoders():\n    print('fine')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "fine\n"
