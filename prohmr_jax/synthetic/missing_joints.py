"""Decides which joints of a person a simulated detector does not see.

`keypoint_pairs` calls `random_visibility` on the device, for one person at a time.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from prohmr_jax import skeleton
from prohmr_jax.synthetic.pair_settings import KeypointPairSettings


def side_chain(side: str, *parts: str) -> tuple[int, ...]:
    """Returns the positions in BODY_25 of several joints of one side."""
    return skeleton.BODY_25.indices(*(f"{side}_{part}" for part in parts))


ARM = ("shoulder", "elbow", "wrist")
FOOT = ("big_toe", "small_toe", "heel")
LEG = ("hip", "knee", "ankle", *FOOT)
# Groups of joints that are missing together: ends of limbs, the face, the feet.
_GROUPS = [
    *(side_chain(s, *ARM[i:]) for s in ("left", "right") for i in range(3)),
    *(side_chain(s, *LEG[i:]) for s in ("left", "right") for i in range(4)),
    side_chain("left", *LEG) + side_chain("right", *LEG),
    side_chain("left", *LEG[1:]) + side_chain("right", *LEG[1:]),
    side_chain("left", *FOOT) + side_chain("right", *FOOT),
    skeleton.BODY_25.indices("nose", "left_eye", "right_eye"),
    skeleton.BODY_25.indices("left_eye", "left_ear"),
    skeleton.BODY_25.indices("right_eye", "right_ear"),
]


def as_mask(joints: tuple[int, ...]) -> np.ndarray:
    """Returns which joints of BODY_25 are among the given ones, [25] bool."""
    return np.isin(np.arange(len(skeleton.BODY_25)), joints)


GROUP_MASKS = np.stack([as_mask(group) for group in _GROUPS])
"""[groups, 25], True for the joints of BODY_25 that are missing together."""
FEET_MASK = as_mask(side_chain("left", *FOOT) + side_chain("right", *FOOT))
"""[25], True for the toes and heels of BODY_25."""


def random_visibility(
    key: jax.Array, xy: Float[Array, "25 2"], settings: KeypointPairSettings
) -> Bool[Array, "25"]:
    """Returns which joints a simulated detector sees.

    Args:
      key: random key.
      xy: true positions of BODY_25, sides of the body's box, centre of the box at 0.
      settings: rates of missing joints.
    """
    keys = iter(jax.random.split(key, 14))

    def coin(rate: float) -> Bool[Array, ""]:
        return jax.random.bernoulli(next(keys), rate)

    rate = coin(settings.dropout_rate) * jax.random.uniform(
        next(keys), maxval=settings.max_dropout
    )
    missing = jax.random.bernoulli(next(keys), rate, (len(xy),))

    group = jax.random.randint(next(keys), (2,), 0, len(GROUP_MASKS))
    groups = jnp.asarray(GROUP_MASKS)[group]
    second = coin(0.5)
    hidden = groups[0] | (groups[1] & second)
    missing |= coin(settings.group_rate) & hidden

    # The edge of the picture mostly cuts off the legs, sometimes a side or the head.
    usual = jnp.pi / 2 + 0.25 * jax.random.normal(next(keys))
    anywhere = jax.random.uniform(next(keys), maxval=2 * jnp.pi)
    angle = jnp.where(coin(0.7), usual, anywhere)
    edge = jax.random.uniform(next(keys), minval=-0.2, maxval=0.45)
    outward = jnp.stack([jnp.cos(angle), jnp.sin(angle)])
    beyond = jnp.matmul(xy, outward, precision="highest") > edge
    missing |= coin(settings.truncation_rate) & beyond

    corner_key, occluder_key = jax.random.split(next(keys))
    middle = jax.random.uniform(corner_key, (2,), minval=-0.5, maxval=0.5)
    half = jax.random.uniform(next(keys), (2,), minval=0.05, maxval=0.3)
    behind = jnp.all(jnp.abs(xy - middle) < half, axis=-1)
    missing |= jax.random.bernoulli(occluder_key, settings.occluder_rate) & behind

    missing |= coin(settings.no_feet_rate) & jnp.asarray(FEET_MASK)
    enough = jnp.sum(~missing) >= settings.min_visible
    return ~missing | ~enough
