"""How many students does a study need? Without any outcome, from the command line and in a notebook."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from impact_world import district, study_with

import evalkit as ek
from evalkit.checks.planning import planning_lines, planning_table, spread_of_days
from evalkit.checks.power import students_with_mentors
from evalkit.cli import main


def test_the_number_is_the_smallest_that_shows_the_effect():
    table = planning_table(sd_days=12.0, effects=(3.0, 4.0), r2=0.5, per_mentor=15.0, icc=0.05)
    for row in table.itertuples():
        enough = students_with_mentors(row.students, 15.0, 0.05, r2=0.5)
        fewer = students_with_mentors(int(row.students * 0.97), 15.0, 0.05, r2=0.5)
        assert enough.mdes() * 12 <= row.effect_days < fewer.mdes() * 12
        assert enough.power(row.effect_days / 12) == pytest.approx(0.80, abs=0.02)  # the search goes in steps of 1 %
        assert row.mentored == round(row.students / 2) and row.mentors == np.ceil(row.students / 30)
    assert table["students"].is_monotonic_decreasing
    assert ek.students_needed(4.0, sd_days=12.0, r2=0.5, icc=0.05) == table["students"].iloc[1]


def test_what_is_assumed_changes_the_number():
    usual = planning_table(sd_days=12.0, effects=(3.0,))["students"].iloc[0]
    for options in ({"r2": 0.0}, {"icc": 0.2}, {"share": 0.2}, {"power": 0.9}):
        assert planning_table(sd_days=12.0, effects=(3.0,), **options)["students"].iloc[0] > usual, options


def test_the_spread_comes_from_last_year_alone(tmp_path):
    """No event of the year under study is needed: a study before its first school day can plan."""
    folder = study_with(tmp_path / "study", attendance_event=lambda frame: frame[frame["date"] < "2025-09-15"])
    prior = pd.read_csv(folder / "prior_year.csv")
    share = prior["days_absent"] / prior["days_enrolled"]
    wanted = 180 * share[share >= 0.10].std(ddof=1)
    spread, n = spread_of_days(ek.open_study(folder))
    assert spread == pytest.approx(wanted, rel=1e-9) and n == int((share >= 0.10).sum())
    assert spread_of_days(ek.open_study(folder), who="all")[1] == len(prior)


def test_the_command_says_it_in_words(capsys):
    for arguments, code, says in ((["plan", "--sd-days", "12", "--effect-days", "4"], 0, "162 students"),
                                  (["plan", str(district()), "--effect-days", "4"], 0, "students last year"),
                                  (["plan"], 2, "--sd-days"),
                                  (["plan", "--sd-days", "12", "--share", "2"], 1, "between"),
                                  (["plan", "--sd-days", "12", "--effect-days", "0"], 1, "above zero")):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        found = capsys.readouterr()
        assert int(ended.value.code or 0) == code and says in found.out + found.err
    assert planning_lines(None, sd_days=12.0)[0].startswith("Days absent a year differ by 12.0")
