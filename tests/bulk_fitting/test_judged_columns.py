"""Who is implausible, as lines of text, from tables of any version."""

import dataclasses

import numpy as np

from prohmr_jax.bulk_fitting.judged_columns import implausible_people
from prohmr_jax.bulk_fitting.run import BulkReport
from prohmr_jax.bulk_fitting.tables import FitTable
from prohmr_jax.bulk_fitting.view_tables import ViewsTable
from prohmr_jax.solver.problem import Reason


def table_of(schema, **columns):
    """A table of which only some columns are known."""
    names = [field.name for field in dataclasses.fields(schema)]
    return schema(**dict.fromkeys(names) | columns)


def test_people_of_pictures():
    table = table_of(
        FitTable,
        source=np.array(["a.json", "b.json", "b.json"]),
        person_index=np.array([0, 0, 3]),
        fit_plausible=np.array([1, 0, 0]),
        fit_implausible_reason=np.array(["", "too tall", "too far; too wide"]),
    )
    assert implausible_people(table) == [
        "b.json: person 0: too tall",
        "b.json: person 3: too far; too wide",
    ]


def test_people_of_several_views():
    table = table_of(
        ViewsTable,
        person=np.array(["p", "q", "r"]),
        valid=np.array([[1, 1], [1, 0], [1, 1]]),
        source=np.array([["p/0", "p/1"], ["q/0", ""], ["r/0", "r/1"]]),
        fit_plausible=np.array([[1, 1], [1, 0], [0, 0]]),
        fit_implausible_reason=np.array([["", ""], ["", ""], ["far", "wide"]]),
    )
    assert implausible_people(table) == ["r: view r/0: far; view r/1: wide"]


def test_nobody_in_a_table_that_was_not_judged():
    assert implausible_people(table_of(FitTable)) == []
    assert implausible_people(table_of(ViewsTable)) == []


def test_the_report_counts_and_names_them(tmp_path):
    report = BulkReport(
        tmp_path / "fits.npz", people=120, left_out=(), new_people=120, useful=1.0,
        seconds=1.0,
    )  # fmt: skip
    reasons = np.full(120, int(Reason.LOSS_SETTLED))
    people = [f"{number}.json: person 0: too tall" for number in range(7)]
    lines = report.lines(reasons, people)
    first = lines.index("7 of 120 implausible, see implausible.txt:")
    assert lines[first + 1 : first + 8] == [f"  {line}" for line in people]
    report.write_implausible(people)
    assert (tmp_path / "implausible.txt").read_text().splitlines() == people
    assert "0 of 120 implausible" in report.lines(reasons, [])
    many = report.lines(reasons, people * 3)
    assert many[-1] == "  and 11 more"
