"""Disclosure control: what is hidden, what is shown, and that nothing hidden stays behind in what is handed on."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from evalkit.disclosure import (
    TableRequest,
    percent_ladder,
    plain_text,
    release_numbers,
    release_table,
    release_tables,
    release_text,
)
from evalkit.disclosure.types import Released, ReleasedText
from evalkit.errors import DisclosureStop, UsageError


def release(frame: pd.DataFrame, audience: str = "partner", **options) -> Released:
    options = {"keys": ["school"], "counts": [c for c in frame.columns if c != "school"], **options}
    return release_table("t", frame, audience=audience, **options)


def hidden_of(released: Released, column: object) -> list[bool]:
    return released.hidden[column].tolist()


@pytest.mark.parametrize(("n", "is_hidden"), [(0, True), (1, True), (9, True), (10, False), (11, False)])
def test_a_count_of_nine_is_hidden_and_ten_is_shown(n, is_hidden):
    released = release(pd.DataFrame({"school": ["a"], "n": [n]}))
    assert hidden_of(released, "n") == [is_hidden]


@pytest.mark.parametrize(("top", "is_hidden"), [(9, True), (10, False), (90, False), (91, True), (100, True)])
def test_numerator_and_complement_count_as_cells(top, is_hidden):
    frame = pd.DataFrame({"school": ["a"], "n": [100], "chronic": [top], "share": [top / 100]})
    released = release(frame, counts=["n", "chronic"], shares={"share": ("chronic", "n")})
    assert hidden_of(released, "share") == [is_hidden]
    assert hidden_of(released, "n") == [False] or not is_hidden


def test_a_share_falls_with_its_numerator_even_where_only_the_share_is_shown():
    frame = pd.DataFrame({"school": ["a"], "n": [100], "share": [0.04], "chronic": [4]})
    released = release(frame, counts=["n"], shares={"share": ("chronic", "n")})
    assert hidden_of(released, "share") == [True]


def test_a_mean_falls_with_its_count():
    frame = pd.DataFrame({"school": ["a", "b"], "n": [9, 10], "days": [3.0, 4.0]})
    released = release(frame, counts=["n"], plain={"days": "n"})
    assert hidden_of(released, "days") == [True, False] or hidden_of(released, "days") == [True, True]
    assert pd.isna(released.frame.loc[0, "days"])


def test_a_second_school_is_hidden_where_the_total_would_give_the_first_away():
    frame = pd.DataFrame({"school": ["a", "b", "c", "all"], "chronic": [4, 30, 40, 74]})
    released = release(frame, total="all")
    assert hidden_of(released, "chronic") == [True, True, False, False]


def test_a_total_row_is_found_without_being_named():
    frame = pd.DataFrame({"school": ["a", "b", "c", "Whole district"], "chronic": [4, 30, 40, 74]})
    assert sum(hidden_of(release(frame), "chronic")) >= 2


def test_a_subgroup_that_leaves_few_people_out_is_hidden():
    frame = pd.DataFrame({"kind": ["english_learner", "all"], "group": ["no", "all"], "n": [96, 100]})
    released = release(frame, keys=["kind", "group"], counts=["n"], total="all")
    assert hidden_of(released, "n")[0], "100 - 96 = 4 English learners could be worked out"


def test_integer_column_labels_are_protected_like_others():
    frame = pd.DataFrame({"school": ["a", "b", "c"], 7: [3, 40, 50], 8: [20, 30, 40], 9: [30, 35, 45]})
    frame["n"] = frame[[7, 8, 9]].sum(axis=1)
    released = release(frame)
    assert released.hidden.loc[0, 7], "grades are integers; ACRO 1.0.2 printed such a table as it stood"
    assert sum(released.hidden.loc[0, [7, 8, 9]]) >= 2


def test_the_same_group_in_two_tables_is_hidden_in_both():
    rows = pd.DataFrame({"school": ["a", "b", "c", "all"], "n": [5, 15, 30, 50]})
    grid = pd.DataFrame({"school": ["a", "b", "c", "all"], "grade": "all", "n": [5, 15, 30, 50]})
    first, second = release_tables(
        [TableRequest("rows", rows, ["school"], ["n"], total="all"),
         TableRequest("grid", grid, ["school", "grade"], ["n"], total="all")], audience="partner")
    assert hidden_of(first, "n") == hidden_of(second, "n")


def test_hidden_values_are_nowhere_in_what_is_handed_on():
    frame = pd.DataFrame({"school": ["a", "b", "c", "all"], "n": [7, 31, 40, 78]})
    released = release(frame, total="all")
    assert released.frame["n"].isna().tolist() == hidden_of(released, "n")
    assert [row["n"] for row in released.numbers["rows"]][:2] == [None, None]
    assert "7" not in repr(released.numbers["rows"][0])


def test_the_team_sees_everything_and_the_callers_frame_is_untouched():
    frame = pd.DataFrame({"school": ["a"], "n": [3]})
    before = frame.copy()
    assert release(frame, audience="team").frame["n"].tolist() == [3]
    release(frame)
    pd.testing.assert_frame_equal(frame, before)


def test_a_table_of_tiny_groups_is_withheld_with_a_sentence():
    released = release(pd.DataFrame({"school": ["a", "b", "all"], "n": [1, 2, 3]}), total="all")
    assert released.hidden["n"].all() and released.rule.startswith("Withheld")


def test_a_column_nobody_accounted_for_stops_the_report():
    with pytest.raises(DisclosureStop, match="not told about"):
        release(pd.DataFrame({"school": ["a"], "n": [30], "name": ["x"]}), counts=["n"])


def test_a_count_column_that_holds_no_counts_stops_the_report():
    with pytest.raises(DisclosureStop, match="does not hold counts"):
        release(pd.DataFrame({"school": ["a"], "n": [30.5]}))


def test_the_studys_own_minimum_is_used():
    privacy = SimpleNamespace(min_cell=20, protect_width=5)
    released = release(pd.DataFrame({"school": ["a", "b"], "n": [19, 20]}), privacy=privacy)
    assert hidden_of(released, "n") == [True, False]


def test_an_unknown_audience_is_refused():
    with pytest.raises(UsageError, match="audience"):
        release(pd.DataFrame({"school": ["a"], "n": [30]}), audience="partners")


@pytest.mark.parametrize(("n", "is_hidden"), [
    (9, True), (10, False), ((9, 100), True), ((10, 100), False), ((91, 100), True), ([10, 9], True), ([10, 10], False),
    (None, False), (float("nan"), True)])
def test_single_numbers_rest_on_enough_students(n, is_hidden):
    released = release_numbers("x", {"figure": (1.5, n)}, audience="public")
    assert (released.numbers["figure"] is None) == is_hidden
    assert released.frame["value"].isna().tolist() == [is_hidden]


def test_sentences_are_filled_from_released_numbers_only():
    numbers = release_numbers("x", {"n": (1234, 1234), "few": (3, 3)}, audience="partner")
    text = release_text("{n:,} students, {few:.0f} left", numbers)
    assert isinstance(text, ReleasedText) and text == "1,234 students, hidden left"
    assert release_text("{few} left", numbers, otherwise="A few left.") == "A few left."
    with pytest.raises(DisclosureStop):
        release_text("{n} students", {"n": 4})
    assert isinstance(plain_text("10% or more"), ReleasedText)


@pytest.mark.parametrize(("share", "n", "text"), [
    (0.0, 300, "<=1%"), (1.0, 300, ">=99%"), (0.5, 300, "50%"), (0.0, 100, "<=2%"), (0.02, 99, "<=5%"),
    (0.34, 39, "30-39%"), (0.34, 19, "21-39%"), (0.5, 9, "n<10"), (1.0, 10, ">=80%"), (0.05, 39, "<=10%")])
def test_public_percentages_widen_as_groups_shrink(share, n, text):
    assert percent_ladder(share, n) == text


def test_row_order_does_not_change_what_is_hidden():
    frame = pd.DataFrame({"school": [*"abcdef", "all"], "n": [3, 12, 14, 25, 40, 60, 154]})
    first = release(frame, total="all")
    order = np.random.default_rng(1).permutation(len(frame))
    second = release(frame.iloc[order], total="all")
    assert dict(zip(first.frame["school"], hidden_of(first, "n"), strict=True)) == dict(
        zip(second.frame["school"], hidden_of(second, "n"), strict=True))
