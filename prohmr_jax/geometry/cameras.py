"""Projects points and converts between the cameras of the crop and of the image.

The network sees its crop as a square of `CROP_SIZE_PX` pixels taken by a pinhole camera
with a focal length of `FOCAL_LENGTH_PX`; in crop units (box sides, centre at 0) the
focal length is the quotient of the two. Both are the official constants, and trained
weights depend on them.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from prohmr_jax.structs import Box, Camera, WeakCamera

FOCAL_LENGTH_PX = 5000.0
CROP_SIZE_PX = 224.0

# Keeps the depth finite when the weak camera's scale vanishes.
_SCALE_EPS = 1e-9
# Points whose distance from the camera plane is smaller are projected from this
# distance, metres.
MIN_DEPTH = 1e-4


def project(points: Float[Array, "*b J 3"], camera: Camera) -> Float[Array, "*b J 2"]:
    """Returns perspective projections in the unit of the camera's focal length.

    Args:
      points: body points, metres, camera axes; `camera.translation` is added to them.
      camera: leading axes broadcast against those of the points.
    """
    placed = points + camera.translation[..., None, :]
    depth = placed[..., 2:]
    # Keeps value and gradient finite in the camera plane.
    depth = jnp.where(jnp.abs(depth) < MIN_DEPTH, MIN_DEPTH, depth)
    projected = placed[..., :2] / depth
    return projected * camera.focal_length[..., None, :] + camera.center[..., None, :]


def crop_camera(weak: WeakCamera) -> Camera:
    """Returns the pinhole camera of the crop, in crop units.

    The body stands at t = (tx, ty, 2 f / (224 s)), so that at scale s the half side of
    the crop spans 1/s metres.
    """
    focal = jnp.asarray(FOCAL_LENGTH_PX / CROP_SIZE_PX, weak.scale.dtype)
    depth = 2.0 * FOCAL_LENGTH_PX / (CROP_SIZE_PX * weak.scale + _SCALE_EPS)
    return Camera(
        translation=jnp.concatenate([weak.xy, depth[..., None]], axis=-1),
        focal_length=jnp.broadcast_to(focal, weak.xy.shape),
        center=jnp.zeros_like(weak.xy),
    )


def image_camera(
    weak: WeakCamera,
    box: Box,
    image_size: Float[Array, "*b 2"],
    focal_length: Float[Array, "*b 2"] | float = FOCAL_LENGTH_PX,
) -> Camera:
    """Returns the camera of the whole image that shows the body in its box.

    The body fills the box as the weak camera makes it fill the crop.

    Args:
      weak: the network's camera of the crop.
      box: where the crop was taken, image pixels.
      image_size: (width, height), pixels; the principal point is at half of it.
      focal_length: pixels; the official code keeps 5000 for every image.
    """
    focal = jnp.broadcast_to(jnp.asarray(focal_length, weak.xy.dtype), weak.xy.shape)
    mean_focal = jnp.mean(focal, axis=-1)
    depth = 2.0 * mean_focal / (box.size * weak.scale + _SCALE_EPS)
    offset = (box.center - image_size / 2.0) * depth[..., None] / focal
    return Camera(
        translation=jnp.concatenate([weak.xy + offset, depth[..., None]], axis=-1),
        focal_length=focal,
        center=jnp.broadcast_to(image_size / 2.0, weak.xy.shape),
    )


def crop_camera_in_image(weak: WeakCamera, box: Box) -> Camera:
    """Returns the crop's own camera in image pixels.

    Its principal point is the centre of the box, not that of the image.

    Args:
      weak: the network's camera of the crop.
      box: where the crop was taken, image pixels.
    """
    crop = crop_camera(weak)
    focal = crop.focal_length * box.size[..., None]
    return Camera(crop.translation, focal, jnp.broadcast_to(box.center, focal.shape))


def in_crop_pixels(camera: Camera, box: Box) -> Camera:
    """Returns a camera of the image in pixels of the crop, (0, 0) being its corner.

    Args:
      camera: a camera in image pixels.
      box: where the crop was taken, image pixels; its side becomes `CROP_SIZE_PX`.
    """
    scale = (CROP_SIZE_PX / box.size)[..., None]
    return Camera(
        translation=camera.translation,
        focal_length=camera.focal_length * scale,
        center=(camera.center - box.center) * scale + CROP_SIZE_PX / 2.0,
    )


def photo_camera(
    weak: WeakCamera,
    box: Box,
    image_size: Float[Array, "*b 2"],
    focal_length: Float[Array, "*b 2"],
    principal_point: Float[Array, "*b 2"] | float = 0.0,
) -> tuple[Camera, Float[Array, "*b"]]:
    """Returns the camera of a photo whose size, lens or centre may be unknown.

    Args:
      weak: the network's camera of the crop.
      box: where the crop was taken, image pixels.
      image_size: (width, height), pixels; zeros where it is unknown: the camera then
        looks at the centre of the box, and the side of the box stands for the photo's.
      focal_length: pixels; zeros where it is unknown: the camera then has the field of
        view of the crop's camera, as many photo sides as that has box sides.
      principal_point: pixels; zeros stand for the centre of the photo.

    Returns:
      The camera in image pixels, and the larger side of the photo, pixels.
    """
    known = jnp.any(image_size > 0, axis=-1)
    side = jnp.where(known, jnp.max(image_size, axis=-1), box.size)
    middle = jnp.where(known[..., None], image_size / 2.0, box.center)
    given = jnp.broadcast_to(jnp.asarray(principal_point), middle.shape)
    middle = jnp.where(jnp.any(given > 0, axis=-1, keepdims=True), given, middle)
    like_crop = side[..., None] * FOCAL_LENGTH_PX / CROP_SIZE_PX
    focal = jnp.where(focal_length > 0, focal_length, like_crop)
    return image_camera(weak, box, 2.0 * middle, focal), side


def image_to_crop(xy_px: Float[Array, "*b J 2"], box: Box) -> Float[Array, "*b J 2"]:
    """Returns image pixels in crop units: the box becomes [-0.5, 0.5].

    Args:
      xy_px: points, image pixels.
      box: the crop's box, image pixels.
    """
    return (xy_px - box.center[..., None, :]) / box.size[..., None, None]


def crop_to_image(xy: Float[Array, "*b J 2"], box: Box) -> Float[Array, "*b J 2"]:
    """Returns crop units in image pixels, the inverse of `image_to_crop`.

    It is part of the library's interface: users draw what the network predicts in the
    crop frame on the photo with it.

    Args:
      xy: points, crop units.
      box: the crop's box, image pixels.
    """
    return xy * box.size[..., None, None] + box.center[..., None, :]
