"""Finds body files by their official names, and says where one can get them."""

import os
from pathlib import Path

from prohmr_jax.errors import InputError
from prohmr_jax.files.assets import OPEN_BODY_FILE

OPEN_BODY = "open"

# File names in the order in which a folder is searched.
_NEUTRAL_NAMES = (
    "SMPL_NEUTRAL.npz", "SMPL_NEUTRAL.pkl",
    "basicmodel_neutral_lbs_10_207_0_v1.1.0.pkl",
    "basicModel_neutral_lbs_10_207_0_v1.0.0.pkl",
)  # fmt: skip
_GENDERED_NAMES = (
    "SMPL_FEMALE.npz", "SMPL_FEMALE.pkl", "SMPL_MALE.npz", "SMPL_MALE.pkl",
    "basicmodel_f_lbs_10_207_0_v1.1.0.pkl", "basicmodel_m_lbs_10_207_0_v1.1.0.pkl",
    "basicModel_f_lbs_10_207_0_v1.0.0.pkl", "basicModel_m_lbs_10_207_0_v1.0.0.pkl",
)  # fmt: skip

WHERE_TO_GET_BODY = (
    "get an SMPL body by registering at https://smpl.is.tue.mpg.de (v1.1.0) or "
    "https://smplify.is.tue.mpg.de (neutral, v1.0.0), "
    'or use body="open", which ships with this package'
)
WHERE_TO_GET_DATA = (
    "it comes with the data of the official ProHMR and SPIN code; "
    'body="open" needs no such file'
)


def find_body(path: str | os.PathLike) -> Path:
    """Returns the path of a body file: the file named, or the one in a folder.

    Args:
      path: "open" for the body that ships, a file, or a folder; of the bodies in a
        folder, and in its subfolder `smpl`, the gender-neutral one is taken.

    Raises:
      InputError: there is no body, or the folder holds several and none is neutral.
    """
    if os.fspath(path) == OPEN_BODY:
        return OPEN_BODY_FILE
    path = Path(path)
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(path, f"does not exist; {WHERE_TO_GET_BODY}")
    # The package smplx expects its files in a subfolder `smpl`.
    folders = [f for f in (path, path / "smpl") if f.is_dir()]
    neutral = [f / n for f in folders for n in _NEUTRAL_NAMES if (f / n).is_file()]
    if neutral:
        return neutral[0]
    gendered = [f / n for f in folders for n in _GENDERED_NAMES if (f / n).is_file()]
    if not gendered:
        raise InputError(path, f"holds no body file; {WHERE_TO_GET_BODY}")
    if len(gendered) > 1:
        names = " and ".join(f.name for f in gendered)
        raise InputError(path, f"holds {names}, and no neutral body: name one file")
    return gendered[0]


def find_extra_regressor(body: Path) -> Path:
    """Returns the path of `SMPL_to_J19.pkl`, which need not exist.

    Args:
      body: path of the body file; its folder and the folder above are searched. If
        neither holds the regressor, the path in the body's own folder is returned.
    """
    folder = body.absolute().parent
    places = [f / "SMPL_to_J19.pkl" for f in (folder, folder.parent)]
    return next((p for p in places if p.is_file()), places[0])
