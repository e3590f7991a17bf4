"""Draws adults and converts them to coefficients of MakeHuman's blend shapes.

`build` calls it. A blend shape is named after the person that it shows, for example
`macrodetails/height/female-old-maxmuscle-averageweight-minheight`. Each word stands for
a value of one attribute in [0, 1]. The word's factor is 1 at that value and falls
linearly to 0 at the next value that has a word. The coefficient of the blend shape is
the product of the factors of its words.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

# word -> (attribute, value, distance to the next value that has a word)
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

FEMALE_STATURE = (1.625, 0.065)
"""Mean and standard deviation of the stature of women, metres."""
MALE_STATURE = (1.757, 0.070)
"""Mean and standard deviation of the stature of men, metres."""
# MakeHuman's average person is slim, with a body mass index near 20. With these values
# it is 23 on average.
MUSCLE = (0.42, 0.22)
"""Mean and standard deviation of MakeHuman's parameter of muscle."""
WEIGHT = (0.75, 0.30)
"""Mean and standard deviation of MakeHuman's parameter of weight."""


@dataclasses.dataclass(frozen=True)
class People:
    """Holds MakeHuman's parameters of P adults, each [P] in [0, 1]."""

    gender: np.ndarray
    """[P], 0 for female and 1 for male."""
    age: np.ndarray
    """[P], 0 for young and 1 for old."""
    muscle: np.ndarray
    """[P], amount of muscle."""
    weight: np.ndarray
    """[P], parameter of weight, not kilograms."""
    height: np.ndarray
    """[P], parameter of height, not metres."""
    proportions: np.ndarray
    """[P], 0 for uncommon and 1 for ideal proportions."""
    cup: np.ndarray
    """[P], size of the breasts."""
    firmness: np.ndarray
    """[P], firmness of the breasts."""
    african: np.ndarray
    """[P], share of African features; the three shares sum to 1."""
    asian: np.ndarray
    """[P], share of Asian features."""
    caucasian: np.ndarray
    """[P], share of Caucasian features."""


def _words(target: str) -> list[str]:
    """Returns the words in the name of a blend shape, without the folder."""
    return [w for w in target.rpartition("/")[2].split("-") if w != _ANY_PERSON]


def adult_targets(names: list[str]) -> list[str]:
    """Returns those names of blend shapes that `coefficients` understands."""
    return [
        name
        for name in names
        if name.rpartition("/")[0] + "/" in _FOLDERS
        and all(word in _WORDS for word in _words(name))
    ]


def coefficients(people: People, targets: list[str]) -> Float[np.ndarray, "P T"]:
    """Returns the coefficient [P, T] of each blend shape for each person.

    Args:
      people: parameters of P adults.
      targets: names of T blend shapes, of those that `adult_targets` returns.
    """
    factors = {
        word: np.clip(1 - np.abs(getattr(people, name) - value) / distance, 0, 1)
        for word, (name, value, distance) in _WORDS.items()
    }
    columns = [np.prod([factors[w] for w in _words(t)], axis=0) for t in targets]
    return np.stack(columns, axis=-1)


def draw_people(
    count: int,
    rng: np.random.Generator,
    stature_at: Callable[[People], np.ndarray],
) -> People:
    """Returns random adults whose statures are distributed as those of real adults.

    Args:
      count: number of adults; half of them are male.
      rng: random generator.
      stature_at: function that returns the statures [P] of P adults, metres.
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
) -> Float[np.ndarray, " P"]:
    """Returns the parameters of height [P] that give the wanted statures [P], metres.

    The stature is a piecewise linear function of the parameter, with nodes at 0, 0.5
    and 1.
    """
    nodes = (0.0, 0.5, 1.0)
    statures = [
        stature_at(dataclasses.replace(people, height=np.full_like(wanted, node)))
        for node in nodes
    ]
    per_person = zip(wanted, *statures, strict=True)
    return np.array([np.interp(w, s, nodes) for w, *s in per_person])
