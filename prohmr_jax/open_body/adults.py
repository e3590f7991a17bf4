"""Draws adults and turns them into coefficients of MakeHuman's blend shapes.

A blend shape is named after the person it makes, for example
`macrodetails/height/female-old-maxmuscle-averageweight-minheight`. Every word sits at
an anchor of one attribute in [0, 1] and fades linearly to 0 at the next anchor; the
shape's coefficient is the product over its words.
"""

import dataclasses
from collections.abc import Callable

import numpy as np

# word -> (attribute, anchor, distance to the next anchor)
_WORDS = {
    "female": ("gender", 0.0, 1.0),
    "male": ("gender", 1.0, 1.0),
    "young": ("age", 0.0, 1.0),
    "old": ("age", 1.0, 1.0),
    "african": ("african", 1.0, 1.0),
    "asian": ("asian", 1.0, 1.0),
    "caucasian": ("caucasian", 1.0, 1.0),
    "uncommonproportions": ("proportions", 0.0, 0.5),
    "idealproportions": ("proportions", 1.0, 0.5),
    "minheight": ("height", 0.0, 0.5),
    "maxheight": ("height", 1.0, 0.5),
    **{
        f"{level}{attribute}": (attribute, anchor, 0.5)
        for attribute in ("muscle", "weight", "cup", "firmness")
        for level, anchor in (("min", 0.0), ("average", 0.5), ("max", 1.0))
    },
}
_FOLDERS = (
    "breast/",
    "macrodetails/",
    "macrodetails/height/",
    "macrodetails/proportions/",
)
_ANY_PERSON = "universal"

# Means and standard deviations of adult stature in metres, per gender.
FEMALE_STATURE = (1.625, 0.065)
MALE_STATURE = (1.757, 0.070)
# Of MakeHuman's parameters. Its average person is slim (a body mass index near 20):
# these give 23 on average.
MUSCLE = (0.42, 0.22)
WEIGHT = (0.75, 0.30)


@dataclasses.dataclass(frozen=True)
class People:
    """Attributes of P adults, each [P] in [0, 1]."""

    gender: np.ndarray
    """0 female, 1 male."""
    age: np.ndarray
    """0 young, 1 old."""
    muscle: np.ndarray
    weight: np.ndarray
    height: np.ndarray
    """MakeHuman's parameter, not metres."""
    proportions: np.ndarray
    cup: np.ndarray
    firmness: np.ndarray
    african: np.ndarray
    asian: np.ndarray
    caucasian: np.ndarray
    """The three sum to 1."""


def _words(target: str) -> list[str]:
    return [w for w in target.rpartition("/")[2].split("-") if w != _ANY_PERSON]


def adult_targets(names: list[str]) -> list[str]:
    """Returns the blend shapes, of all names, that make whole adults."""
    return [
        name
        for name in names
        if name.rpartition("/")[0] + "/" in _FOLDERS
        and all(word in _WORDS for word in _words(name))
    ]


def coefficients(people: People, targets: list[str]) -> np.ndarray:
    """Returns the coefficient [P, T] of each blend shape for each person."""
    fade = {
        word: np.clip(1 - np.abs(getattr(people, name) - anchor) / reach, 0, 1)
        for word, (name, anchor, reach) in _WORDS.items()
    }
    columns = [np.prod([fade[w] for w in _words(t)], axis=0) for t in targets]
    return np.stack(columns, axis=-1)


def draw_people(
    count: int,
    rng: np.random.Generator,
    stature_at: Callable[[People], np.ndarray],
) -> People:
    """Returns random adults whose statures follow those of women and men.

    Args:
      count: how many.
      rng: source of randomness.
      stature_at: metres [P] of people with all attributes given.
    """

    def normal(mean: float, deviation: float) -> np.ndarray:
        return np.clip(rng.normal(mean, deviation, count), 0, 1)

    femininity = rng.beta(1.5, 8.0, count)
    male = np.arange(count) % 2 == 1
    races = rng.dirichlet((1.0, 1.0, 1.0), count)
    people = People(
        gender=np.where(male, 1 - femininity, femininity),
        age=rng.beta(1.2, 2.0, count),
        muscle=normal(*MUSCLE),
        weight=normal(*WEIGHT),
        height=np.full(count, 0.5),
        proportions=normal(0.6, 0.2),
        cup=normal(0.5, 0.15),
        firmness=normal(0.5, 0.15),
        african=races[:, 0],
        asian=races[:, 1],
        caucasian=races[:, 2],
    )
    mean, deviation = np.where(male[:, None], MALE_STATURE, FEMALE_STATURE).T
    wanted = mean + deviation * rng.standard_normal(count)
    return dataclasses.replace(people, height=_solve_height(people, wanted, stature_at))


def _solve_height(
    people: People, wanted: np.ndarray, stature_at: Callable[[People], np.ndarray]
) -> np.ndarray:
    """Inverts stature(height), which is linear between the anchors 0, 0.5 and 1."""
    anchors = (0.0, 0.5, 1.0)
    statures = [
        stature_at(dataclasses.replace(people, height=np.full_like(wanted, a)))
        for a in anchors
    ]
    per_person = zip(wanted, *statures, strict=True)
    return np.array([np.interp(w, s, anchors) for w, *s in per_person])
