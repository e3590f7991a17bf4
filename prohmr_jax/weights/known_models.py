"""Tells by the names of weights which published model they belong to.

`conversion` and `headers` call it, so that a checkpoint of another model is refused
under the name of that model. The names are those of the models' public code.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

# Parts that wrappers put into names: DataParallel, torch.compile.
_WRAPPERS = ("module", "_orig_mod")
# First parts that the classes around a model put before all names.
_OUTER = ("model", "net", "network")

# Name of a model -> patterns, each of which the start of some name matches. Models that
# contain others come first.
_MODELS: Sequence[tuple[str, tuple[str, ...]]] = (
    ("HMR 2.0 (4DHumans), or a model made of it", (r"smpl_head\.", r"backbone\.")),
    ("PARE", (r"head\.(keypoint|smpl)_deconv_layers\.",)),
    ("PyMAF", (r"maf_extractor\.",)),
    ("CLIFF", (r"encoder\.", r"decpose\.", r"deccam\.")),
    ("SPIN (or HMR or EFT, which have its layers)", (r"decpose\.", r"deccam\.")),
    ("VIBE, or a model of video made of it", (r"encoder\.gru", r"regressor\.")),
    ("HybrIK", (r"decphi\.",)),
    ("ROMP or BEV", (r"backbone\.", r"final_layers\.")),
    ("METRO or Mesh Graphormer", (r"trans_encoder\.",)),
    ("SMPLer-X, OSX or Hand4Whole", (r"(body_rotation_net|body_regressor)\.",)),
    ("WHAM", (r"motion_encoder\.", r"trajectory_decoder\.")),
    ("VPoser", (r"(bodyprior_dec|decoder_net)",)),
    ("an R-CNN of torchvision", (r"roi_heads\.",)),
    ("DETR or a detector like it", (r"class_embed\.", r"transformer\.")),
    ("a keypoint detector of MMPose, such as ViTPose or RTMPose",
     (r"backbone\.", r"(keypoint_head|head)\.")),
    ("an HRNet", (r"stage2\.0\.(branches|fuse_layers)",)),
    ("a vision transformer", (r"(backbone\.)?patch_embed\.", r"(backbone\.)?blocks\.")),
    ("a network of OpenPose", (r"model\d_|Mconv\d_stage|(body_)?conv\d_\d_CPM",)),
    ("a network of torchvision or timm that is no ResNet", (r"(features|blocks)\.\d",)),
)  # fmt: skip


def without_wrappers(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns weights without what wrappers put into their names.

    "module.backbone.conv1.weight" of DataParallel becomes "backbone.conv1.weight".

    Args:
      state: name -> array.

    Raises:
      ValueError: two names become one.
    """
    stripped = dict(zip(_bare_names(state), state.values(), strict=True))
    if len(stripped) != len(state):
        raise ValueError("has names that differ in nothing but a wrapper's prefix")
    return stripped


def known_model(names: Iterable[str]) -> str | None:
    """Returns what model weights belong to, in words, or None.

    None is returned for ProHMR itself, for ResNets, and for unknown models.

    Args:
      names: names of the weights, with wrappers' prefixes or without.
    """
    names = _bare_names(names)
    if any(name.startswith("flow.") for name in names):
        return None
    for model, patterns in _MODELS:
        if all(any(re.match(p, name) for name in names) for p in patterns):
            return model
    return None


def _bare_names(names: Iterable[str]) -> list[str]:
    names = [
        ".".join(part for part in name.split(".") if part not in _WRAPPERS)
        for name in names
    ]
    while names and (outer := names[0].partition(".")[0]) in _OUTER:
        if not all(name.startswith(f"{outer}.") for name in names):
            break
        names = [name.removeprefix(f"{outer}.") for name in names]
    return names
