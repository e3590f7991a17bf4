"""What the name of a photo of Human3.6M says of it."""

import dataclasses
import re

_PHOTO = re.compile(r"(S\d+)_(.+)\.(\d{8})_(\d{6})\.\w+")
_TAKE = re.compile(r"[ _]\d+$")
# Subject 1 calls two actions otherwise than everybody else.
_ACTIONS = {"TakingPhoto": "Photo", "WalkingDog": "WalkDog"}


@dataclasses.dataclass(frozen=True)
class H36mPhoto:
    """A frame of a video, as in `S9_Photo_1.54138969_000001.jpg`."""

    subject: str
    take: str
    """Action and number of the take, "Photo_1"; the first may have no number."""
    camera: str
    frame: str
    """Number from 1, six digits."""

    @property
    def action(self) -> str:
        """One of the 15 actions over which errors are averaged."""
        action = _TAKE.sub("", self.take)
        return _ACTIONS.get(action, action)

    @property
    def instant(self) -> str:
        """The same in the views of all cameras."""
        return f"{self.subject}_{self.take}_{self.frame}"

    @property
    def name(self) -> str:
        """Of the photo's file."""
        return f"{self.subject}_{self.take}.{self.camera}_{self.frame}.jpg"


def parse_photo(name: str) -> H36mPhoto | None:
    """Returns what a file's name says, in whatever folder; None for other names."""
    match = _PHOTO.fullmatch(re.split(r"[/\\]", name)[-1])
    return H36mPhoto(*match.groups()) if match else None
