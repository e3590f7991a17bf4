"""Turns a person in a picture into what bulk fits take.

`sources` and `view_reader` call it.
"""

import jax

from prohmr_jax.bulk_fitting.person_stream import PersonInput
from prohmr_jax.detection.people_reader import PeopleReader
from prohmr_jax.detection.types import PersonInPicture
from prohmr_jax.fitting.keypoints import body_25_as_44
from prohmr_jax.geometry.boxes import box_from_keypoints
from prohmr_jax.geometry.lenses import Lens, undistort_photo


def person_input(
    reader: PeopleReader,
    person: PersonInPicture,
    name: str,
    crop_px: int | None,
    lens: Lens | None = None,
) -> PersonInput:
    """Returns a person with the keypoints that the body is fitted to.

    Args:
      reader: reader of the person, which also reads the photo.
      person: the person; the photo is there if `crop_px` is given.
      name: name of the file in results.
      crop_px: side of the crops that an image encoder sees, pixels; None for a keypoint
        encoder.
      lens: lens of the camera, which is undone in the photo; the person's keypoints are
        undistorted already. None for a pinhole camera.

    Raises:
      InputError: the photo cannot be used.
    """
    keypoints = person.detection.keypoints
    bare = PersonInput(
        detection=person.detection,
        keypoints=body_25_as_44(keypoints),
        source=name,
        photo=person.photo,
        photo_name=person.picture_name,
        image_size=person.image_size,
        lens=lens,
    )
    if crop_px is None:
        return bare
    box = jax.device_get(box_from_keypoints(keypoints))
    pixels = None if person.photo is None else reader.read_photo(person.photo)
    if pixels is not None and lens is not None:
        pixels = undistort_photo(lens, pixels)
    return bare.cropped(pixels, box, crop_px)
