"""What the impact study cannot do ends in one screen with a remedy: no number, no folder, exit 1 or 2."""

from __future__ import annotations

import pandas as pd
import pytest
from impact_world import study_with

from evalkit.cli import main


def run(*arguments: object) -> int:
    """The exit code of one command."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    return int(ended.value.code or 0)


def everyone(frame: pd.DataFrame) -> pd.DataFrame:
    """An assignment for every student of the district."""
    from impact_world import district

    students = pd.read_csv(district() / "student.csv", dtype=str)["student_id"]
    rest = students[~students.isin(frame["student_id"])]
    more = pd.concat([frame.iloc[[0]]] * len(rest), ignore_index=True).assign(student_id=rest.to_numpy())
    return pd.concat([frame, more], ignore_index=True)


def complete(prior: pd.DataFrame) -> pd.DataFrame:
    """Everybody has a rate of its own last year, so that no two students have the same score."""
    from impact_world import district

    students = pd.read_csv(district() / "student.csv", dtype=str)["student_id"]
    rows = pd.concat([prior.iloc[[0]]] * len(students), ignore_index=True)
    absent = [f"{1 + place * 0.1:.1f}" for place in range(len(students))]
    return rows.assign(student_id=students, days_enrolled="180.0", days_absent=absent)


def two_schools_without(school: pd.DataFrame) -> pd.DataFrame:
    """Only two of the schools are marked as without mentors."""
    keep = school.index[school["programme_school"] == "false"][2:]
    return school.drop(index=keep)


def never_absent_after_start(events: pd.DataFrame) -> pd.DataFrame:
    return events[events["date"] < "2025-09-20"]


def told_apart(student: pd.DataFrame) -> pd.DataFrame:
    """The covariate is true for exactly those who ever get a mentor."""
    from impact_world import district

    mentored = pd.read_csv(district() / "assignment.csv", dtype=str)["student_id"]
    return student.assign(econ_disadvantaged=student["student_id"].isin(mentored).map({True: "true", False: "false"}))


CASES = {
    "no overlap": ({"exact": ["econ_disadvantaged"], "covariates": ["prior_absence_rate"], "later_assigned": "exclude"},
                   {"student": told_apart}, 1, "do not overlap"),
    "separation in the logit": ({"covariates": ["econ_disadvantaged", "prior_absence_rate"]}, {"student": told_apart},
                                1, "without error"),
    "a caliper that drops everyone": ({"caliper": 1e-14}, {"prior_year": complete}, 1, "caliper"),
    "no unmentored students": ({}, {"assignment": everyone}, 1, "no mentor"),
    "too few schools": ({"comparison": "comparison_schools"}, {"school": two_schools_without}, 1,
                        "Too few schools"),
    "an outcome that never varies": ({}, {"attendance_event": never_absent_after_start}, 1, "same value"),
    "a covariate that is not there": ({"covariates": ["prior_absense_rate"]}, {}, 1,
                                      'Did you mean "prior_absence_rate"'),
    "an exact column that is not there": ({"exact": ["grade"]}, {}, 1, "grade_level"),
    "a cluster that is not there": ({"clustered_by": "class_id"}, {}, 1, "class_id"),
    "an unknown estimator": ({"estimator": "regresion_adjusted"}, {}, 1, 'Did you mean "regression_adjusted"'),
    "an unknown method": ({"method": "neerest"}, {}, 1, 'Did you mean "nearest"'),
    "an unknown distance": ({"distance": "euclid"}, {}, 1, "scaled_euclidean"),
    "an unknown outcome": ({"outcome": "grades"}, {}, 1, "absence_rate"),
    "an outcome nobody has": ({"outcome": "course_failures"}, {}, 1, "absence_rate"),
    "a change from months matched on": ({"estimator": "callaway_santanna"}, {}, 1, "regression to the mean"),
    "a series of schools": ({"estimator": "interrupted_series"}, {}, 1, "follows whole schools"),
    "a lottery that was none": ({"comparison": "randomized"}, {}, 1, "no assignment was made by lottery"),
    "redrawing what was no lottery": ({"estimator": "randomized"}, {}, 1, "redraws a lottery"),
    "an effect on other students": ({"estimand": "ATE"}, {}, 1, "ATT"),
    "weights that ignore schools": ({"method": "weighting", "estimator": "difference", "caliper": None}, {}, 1,
                                    "schools"),
    "a baseline after the end": ({"baseline": "2027-01-04"}, {}, 1, "start"),
    "last year without a year before": ({"comparison": "prior_cohort"}, {}, 1, "prior_absence_rate"),
    "a waitlist nobody is on": ({"comparison": "waitlist"}, {}, 1, "from its assigned_date"),
    "a logit for a rate": ({"estimator": "logistic"}, {}, 1, "yes/no"),
}


@pytest.mark.parametrize("name", CASES)
def test_a_refusal_is_one_screen_with_a_remedy_and_leaves_no_folder(name, tmp_path, capsys):
    plan, tables, code, says = CASES[name]
    study = study_with(tmp_path / "study", plan, **tables)
    assert run("run", "impact_study", study, "--out", tmp_path / "reports") == code
    screen = capsys.readouterr().err
    assert says in screen and "What to do:" in screen, screen
    assert "Traceback" not in screen and screen.count("\n") <= 24
    assert not [path for path in (tmp_path / "reports").rglob("*") if path.is_file()]


def this_year(column: str):
    """Only the rows since the summer: nothing is left of the year before."""
    return lambda frame: frame[frame[column] >= "2025-07-01"]


@pytest.mark.parametrize(("plan", "can_name"), [
    ({"covariates": ["shoe"]}, "pre_absence_rate"), ({"exact": ["shoe"]}, "econ_disadvantaged"),
    ({"clustered_by": "shoe"}, "school_id")])
def test_a_column_that_is_not_there_is_told_with_its_block_its_file_and_what_can_be_named(plan, can_name, tmp_path,
                                                                                          capsys):
    study = study_with(tmp_path / "study", {"id": "second", **plan}, student=lambda frame: frame.assign(foster=""))
    assert run("run", "impact_study", study, "--out", tmp_path / "reports") == 1
    screen = capsys.readouterr().err
    for part in ('[[analysis]] "second"', next(iter(plan)), "file study.toml, column shoe", "can name:", can_name):
        assert part in screen, screen
    assert "foster" not in screen.split("can name:")[1]  # a column that holds nothing in this study
    assert run("check", study, "--out", tmp_path / "reports") == 0
    assert 'names "shoe"' in capsys.readouterr().out


@pytest.mark.parametrize("written", [True, False])
def test_a_plan_on_last_year_in_a_study_without_one_names_the_table(written, tmp_path, capsys):
    study = study_with(tmp_path / "study", attendance_event=this_year("date"), enrollment=this_year("entry_date"))
    (study / "prior_year.csv").unlink()
    if not written:
        text = (study / "study.toml").read_text(encoding="utf-8").split("[[analysis]]")[0]
        (study / "study.toml").write_text(text, encoding="utf-8")
    assert run("check", study, "--out", tmp_path / "reports") == 0
    assert "table prior_year is missing" in capsys.readouterr().out
    assert run("run", "impact_study", study, "--out", tmp_path / "reports") == 1
    screen = capsys.readouterr().err
    assert "table prior_year is missing" in screen and "file study.toml" in screen
    assert ("evalkit's usual plan" in screen) is not written


def test_an_unknown_analysis_is_wrong_usage(tmp_path, capsys):
    study = study_with(tmp_path / "study")
    assert run("run", "impact_study", study, "--out", tmp_path / "r", "--set", "analysis=mian") == 2
    assert 'Did you mean "main"' in capsys.readouterr().err
    assert run("export", study, "--analysis", "mian", "--out", tmp_path / "e") == 2
    assert not (tmp_path / "e").exists()


def test_an_export_of_a_plan_that_cannot_be_run_leaves_nothing(tmp_path, capsys):
    study = study_with(tmp_path / "study", {"method": "neerest"})
    assert run("export", study, "--analysis", "main", "--out", tmp_path / "e") == 1
    assert "nearest" in capsys.readouterr().err and not (tmp_path / "e").exists()


def test_a_student_twice_in_the_roster_is_set_aside_not_counted_twice(tmp_path):
    from evalkit.study import open_study

    study = study_with(tmp_path / "study", student=lambda frame: pd.concat([frame, frame.head(5)], ignore_index=True))
    opened = open_study(study)
    assert not opened.table("student")["student_id"].duplicated().any()
    account = {row["file"]: row for row in opened.account.to_dict()["files"]}["student.csv"]
    assert account["duplicate"] == 5 and account["rows_read"] == 605
