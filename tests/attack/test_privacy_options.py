"""[privacy] min_cell, rounding_base and protect_width act on counts, shares, results.json numbers and sentences."""

from types import SimpleNamespace

import pandas as pd
import pytest

from evalkit.disclosure import ReleasedNumbers, release_numbers, release_table, release_text
from evalkit.disclosure.types import is_released_numbers


def privacy(**changed):
    return SimpleNamespace(**{"min_cell": 10, "rounding_base": 1, "protect_width": 5, **changed})


FRAME = pd.DataFrame({"school": ["a", "b", "c", "all"], "n": [52, 61, 83, 196], "chronic": [17, 23, 31, 71]})


def test_every_count_is_rounded_by_itself():
    released = release_table("t", FRAME, keys=["school"], counts=["n", "chronic"], total="all",
                             privacy=privacy(rounding_base=5), audience="partner").frame
    assert released["n"].tolist() == [50, 60, 85, 195] and released["chronic"].tolist() == [15, 25, 30, 70]
    assert FRAME["n"].tolist() == [52, 61, 83, 196]


def test_a_total_is_not_the_sum_of_rounded_or_hidden_parts():
    """Four times 14 is 56, not 40; three hidden parts are not 0."""
    frame = pd.DataFrame({"school": [*"abcde", "all"], "n": [14, 14, 14, 14, 14, 70], "few": [4, 3, 4, 3, 4, 18]})
    released = release_table("t", frame, keys=["school"], counts=["n", "few"], total="all",
                             privacy=privacy(rounding_base=10), audience="partner").frame
    assert released["few"].tolist()[:5] == [pd.NA] * 5 and released["few"].iloc[5] == 20
    assert released["n"].iloc[5] is pd.NA or released["n"].iloc[5] == 70


def test_a_total_that_undoes_the_rounding_of_its_parts_is_hidden():
    """Four of 24 say 20 (15 to 24) each; with a total of 96, said as 100 (95 to 104), each would be 23 or 24."""
    for counts in ([24, 24, 24, 24], [24, 24, 33], [15, 15, 16]):
        frame = pd.DataFrame({"school": [*"abcdefg"[:len(counts)], "all"], "n": [*counts, sum(counts)]})
        shown = release_table("t", frame, keys=["school"], counts=["n"], total="all", audience="partner",
                              privacy=privacy(rounding_base=10)).frame["n"].tolist()
        parts, whole = shown[:-1], shown[-1]
        if whole is pd.NA:
            continue
        for one in parts:
            others = sum(parts) - one
            low = max(one - 5, whole - 5 - others - 4 * (len(parts) - 1))
            high = min(one + 4, whole + 4 - others + 5 * (len(parts) - 1))
            assert high - low >= 5
    undone = pd.DataFrame({"school": [*"abcd", "all"], "n": [24, 24, 24, 24, 96]})
    assert release_table("t", undone, keys=["school"], counts=["n"], total="all", audience="partner",
                         privacy=privacy(rounding_base=10)).frame["n"].iloc[-1] is pd.NA


def test_shares_are_of_rounded_counts():
    frame = FRAME.assign(share=FRAME["chronic"] / FRAME["n"])
    released = release_table("t", frame, keys=["school"], counts=["n", "chronic"], total="all",
                             shares={"share": ("chronic", "n")}, privacy=privacy(rounding_base=5), audience="partner")
    assert released.frame["share"].iloc[0] == pytest.approx(15 / 50)
    assert "rounded to 5" in released.rule


def test_numbers_and_sentences_are_rounded():
    numbers = release_numbers("t", {"n": (17, (17, 52)), "of": (52, 52), "share": (17 / 52, (17, 52))},
                              privacy=privacy(rounding_base=5), audience="partner")
    assert release_text("{n} of {of} students, {share:.0%}", numbers) == "15 of 50 students, 30%"


def test_nothing_is_rounded_by_default_and_for_the_team():
    for settings, audience in ((privacy(), "partner"), (privacy(rounding_base=5), "team")):
        released = release_table("t", FRAME, keys=["school"], counts=["n", "chronic"], total="all", privacy=settings,
                                 audience=audience).frame
        assert released["n"].tolist() == FRAME["n"].tolist()


def test_the_public_sees_the_percent_ladder():
    numbers = release_numbers("t", {"small": (11 / 32, (11, 32)), "large": (100 / 400, (100, 400))},
                              privacy=privacy(), audience="public")
    assert release_text("{small:.1%} and {large:.1%}", numbers) == "30-39% and 25%"
    partner = release_numbers("t", {"small": (11 / 32, (11, 32))}, privacy=privacy(), audience="partner")
    assert release_text("{small:.1%}", partner) == "34.4%"


def test_those_left_over_are_a_group_too():
    frame = pd.DataFrame({"need": ["x", "y"], "n": [25, 60], "met": [18, 20]})
    released = release_table("t", frame, keys=["need"], counts=["n", "met"], within={"met": "n"}, privacy=privacy(),
                             audience="partner").frame
    assert pd.isna(released["met"].iloc[0]) and released["met"].iloc[1] == 20


def test_steps_that_differ_by_a_few_are_hidden_and_the_last_stands():
    frame = pd.DataFrame({"step": list("abc"), "n": [226, 207, 205]})
    released = release_table("t", frame, keys=["step"], counts=["n"], steps=("n",), privacy=privacy(),
                             audience="partner").frame
    assert released["n"].isna().tolist() == [False, True, False]


def test_a_column_of_zeros_does_not_hide_the_whole_table():
    bands = ("low", "mid", "high")
    frame = pd.DataFrame({"when": ["then", "now"], "low": [40, 44], "mid": [12, 11], "high": [0, 0], "n": [52, 55]})
    released = release_table("t", frame, keys=["when"], counts=["n", *bands], parts={"n": bands}, privacy=privacy(),
                             audience="partner").frame
    assert released["n"].tolist() == [52, 55]


def test_only_the_gate_makes_released_numbers():
    assert is_released_numbers({"a": "text", "b": None, "c": True, "d": [ReleasedNumbers(n=3)]})
    assert not is_released_numbers({"a": {"n": 3}}) and not is_released_numbers([0.5])
    with pytest.raises(TypeError):
        ReleasedNumbers(n=30) | {"raw": 3}
