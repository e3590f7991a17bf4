"""A made-up result of a person whose body is a cube; nothing here is a test."""

import dataclasses

import numpy as np

from prohmr_jax.bulk_fitting.tables import checked_columns, read_table, write_table
from prohmr_jax.inference.results import PersonResult, Provenance

CUBE = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], float)
# Counterclockwise from outside.
CUBE_FACES = np.array([
    (0, 1, 3), (0, 3, 2), (4, 6, 7), (4, 7, 5), (0, 4, 5), (0, 5, 1),
    (2, 3, 7), (2, 7, 6), (0, 2, 6), (0, 6, 4), (1, 5, 7), (1, 7, 3),
])  # fmt: skip
_SIZES = {"K": 5, "S": 10, "V": len(CUBE), "F": len(CUBE_FACES)}
_KINDS = {
    "integer": lambda generator, shape: generator.integers(1, 7, shape),
    "text": lambda _, shape: np.full(shape, ""),
    "real": lambda generator, shape: generator.uniform(0.1, 1, shape),
}


def cube_result(name: str = "a.jpg", **changes) -> PersonResult:
    """Numbers that mean nothing, of the right shapes, and a cube for a body."""
    generator = np.random.default_rng(0)
    arrays = {}
    for field in dataclasses.fields(PersonResult):
        if field.metadata:
            expected = field.metadata["expected"]
            shape = tuple(_SIZES.get(size, size) for size in expected.shape)
            arrays[field.name] = np.asarray(_KINDS[expected.kind](generator, shape))
    arrays |= {"vertices": CUBE, "faces": CUBE_FACES, "plausible": np.array(1)}
    provenance = Provenance(
        source=name, person_index=0, photo=name, weights="w.npz",
        weights_sha256="0" * 64, body="open", body_sha256="1" * 64,
        package_version="0", seed=5,
    )  # fmt: skip
    return PersonResult(provenance=provenance, **arrays | changes)


def cube_meshes(count: int = 5) -> np.ndarray:
    """Cubes that are moved aside more and more, [count, 8, 3]."""
    return CUBE + 0.1 * np.arange(count)[:, None, None]


def write_some_table(
    path, schema: type, people: int = 2, provenance: dict | None = None, **changes
):
    """Writes a table with numbers that mean nothing, of the right shapes."""
    generator = np.random.default_rng(1)
    sizes = {**_SIZES, "P": people, "N": 3}
    columns = {}
    for field in dataclasses.fields(schema):
        expected = field.metadata["expected"]
        shape = tuple(sizes.get(size, size) for size in expected.shape)
        columns[field.name] = np.asarray(_KINDS[expected.kind](generator, shape))
    columns |= {"valid": np.ones((people, 3))} if "valid" in columns else {}
    columns |= changes
    path.parent.mkdir(parents=True, exist_ok=True)
    checked = checked_columns(path, schema, columns)
    write_table(path, provenance or {}, [], checked.items())
    return read_table(path, schema)[0]
