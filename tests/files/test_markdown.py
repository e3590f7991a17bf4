"""Markdown tables: what a reader of the table gets is what was put in."""

from prohmr_jax.files.markdown import table


def cells_of(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def test_a_table_has_a_header_a_rule_and_its_rows_in_order():
    text = table(["method", "mm"], [("first", "31.10"), ("second", 7)])
    header, rule, *rows = text.splitlines()
    assert cells_of(header) == ["method", "mm"]
    assert set(rule) == {"|", "-"}
    assert rule.count("|") == 3
    # A number that was formatted keeps its digits.
    assert [cells_of(row) for row in rows] == [["first", "31.10"], ["second", "7"]]
    assert not text.endswith("\n")


def test_bars_and_line_breaks_do_not_break_a_row():
    *_, row = table(["name", "x"], [("a|b\nc", "1")]).splitlines()
    assert row.count("|") - row.count(r"\|") == 3
    assert r"a\|b c" in row


def test_a_table_without_rows_still_has_its_header():
    assert cells_of(table(["a", "b"], []).splitlines()[0]) == ["a", "b"]
