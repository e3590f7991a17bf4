"""Reads subject, action, camera and frame off the names of photos of Human3.6M.

The readers of datasets call it.
"""

import dataclasses
import re

_PHOTO = re.compile(r"(S\d+)_(.+)\.(\d{8})_(\d{6})\.\w+")
_TAKE = re.compile(r"[ _]\d+$")
# Files of subject 1 use other names for two actions.
_ACTIONS = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


@dataclasses.dataclass(frozen=True)
class H36mPhoto:
    """Holds what the name of a photo says, such as `S9_Photo_1.54138969_000001.jpg`."""

    subject: str
    """Name of the subject, such as "S9"."""
    take: str
    """Action and number of the take, such as "Photo_1"; the first take of an action may
    have no number."""
    camera: str
    """Number of the camera, 8 digits."""
    frame: str
    """Number of the frame from 1, six digits."""

    @property
    def action(self) -> str:
        """One of the 15 actions over which errors are averaged."""
        action = _TAKE.sub("", self.take)
        return _ACTIONS.get(action, action)

    @property
    def instant(self) -> str:
        """Text that the photos of all cameras at one instant share."""
        return f"{self.subject}_{self.take}_{self.frame}"

    @property
    def name(self) -> str:
        """Name of the photo's file."""
        return f"{self.subject}_{self.take}.{self.camera}_{self.frame}.jpg"


def parse_photo(name: str) -> H36mPhoto | None:
    """Returns what the name of a photo says; None for a name of another form.

    Args:
      name: name of the file, with or without folders.
    """
    match = _PHOTO.fullmatch(re.split(r"[/\\]", name)[-1])
    return H36mPhoto(*match.groups()) if match else None
