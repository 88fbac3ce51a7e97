"""study.toml is read strictly; a plan's keys and defaults are those of the interface."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from evalkit.config import AnalysisPlan, end_year, read_config
from evalkit.errors import UserError


def config(folder: Path, text: str):
    (folder / "study.toml").write_text(text, encoding="utf-8")
    return read_config(folder)


def refused(folder: Path, text: str) -> UserError:
    with pytest.raises(UserError) as problem:
        config(folder, text)
    assert problem.value.exit_code == 1 and problem.value.file == "study.toml" and problem.value.remedy
    return problem.value


def test_defaults_without_a_file(tmp_path):
    found = read_config(tmp_path)
    assert found.name == tmp_path.name and found.rules.threshold == 0.1 and found.privacy.min_cell == 10
    assert found.analyses == (AnalysisPlan(),)


def test_defaults_of_a_plan():
    plan = dataclasses.asdict(AnalysisPlan())
    assert plan | {} == {
        **plan,
        "id": "main",
        "comparison": "within_school",
        "estimand": "ATT",
        "method": "nearest",
        "distance": "propensity",
        "baseline": "landmark",
        "exact": (),
        "ratio": 1,
        "replace": False,
        "caliper": None,
        "order": "",
        "standard_errors": "CR2",
        "eligible": "all",
        "clock": "begin",
        "later_assigned": "censor",
    }


def test_the_plan_of_the_interface_is_read(tmp_path):
    text = """[[analysis]]
id = "main"
distance = "logit"
exact = ["school_id", "grade_level"]
caliper = 0.2
order = "largest"
clustered_by = "school_id"
follow_up_end = 2026-06-12
seed = 20260
"""
    plan = config(tmp_path, text).analyses[0]
    assert (plan.exact, plan.caliper, plan.follow_up_end) == (("school_id", "grade_level"), 0.2, "2026-06-12")


def test_a_plan_has_the_same_hash_whatever_the_order_of_its_lines(tmp_path):
    one = config(tmp_path, "[[analysis]]\nratio = 2\ncaliper = 0.1\n").analyses[0]
    two = config(tmp_path, "[[analysis]]\ncaliper = 0.1\nratio = 2\n").analyses[0]
    other = config(tmp_path, "[[analysis]]\ncaliper = 0.1\nratio = 3\n").analyses[0]
    assert one.sha256 == two.sha256 != other.sha256 and len(one.sha256) == 64


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("[study]\nschol_year = 2026\n", "school_year"),
        ("[rules]\nthreshhold = 0.1\n", "threshold"),
        ("[privcy]\n", "privacy"),
        ("[privacy]\nmincell = 5\n", "min_cell"),
        ("[[analysis]]\ncalliper = 0.2\n", "caliper"),
        ("[tables]\nstudnet = 'x'\n", "student"),
        ("[columns.student]\nstudentid = 'x'\n", "student_id"),
        ("[celebration]\nplce = 'x'\n", "place"),
    ],
)
def test_an_unknown_key_is_refused_naming_the_nearest(tmp_path, text, near):
    assert near in refused(tmp_path, text).remedy


@pytest.mark.parametrize(
    "text",
    [
        "[study]\nname = 3\n",
        "[study]\nname = ''\n",
        "[study]\nschool_year = 26\n",
        "[study]\nschool_year = 'soon'\n",
        "[study]\nid_width = true\n",
        "[study]\nid_width = 99\n",
        "[study]\ndate_order = 'dmy'\n",
        "[rules]\nthreshold = 2.0\n",
        "[rules]\npreset = 'x'\n",
        "[privacy]\nmin_cell = 0\n",
        "[privacy]\nmin_cell = '10'\n",
        "[[analysis]]\ncaliper = 0\n",
        "[[analysis]]\ncaliper = true\n",
        "[[analysis]]\nratio = 0\n",
        "[[analysis]]\nexact = 'school_id'\n",
        "[[analysis]]\nreplace = 1\n",
        "[[analysis]]\neligible = 'x'\n",
        "[[analysis]]\nbaseline = 'someday'\n",
        "[[analysis]]\nfollow_up_end = '2026-02-30'\n",
        "[analysis]\nid = 'x'\n",
        "[[analysis]]\nid = 'a'\n[[analysis]]\nid = 'a'\n",
        "[tables]\nstudent = '../x.csv'\n",
        "[tables]\nstudent = '/etc/passwd'\n",
        "[tables]\nstudent = []\n",
        "study = 3\n",
        "[study]\nname = 'a'\nname = 'b'\n",
        "[study\n",
        "[study]\nschool_year = 010\n",
        "[celebration]\ndate = 3\n",
        "[columns]\nstudent = 'x'\n",
    ],
)
def test_wrong_shapes_are_refused(tmp_path, text):
    refused(tmp_path, text)


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "study.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError):
        read_config(tmp_path)


@pytest.mark.parametrize(
    ("text", "year"),
    [
        ("2024-25", 2025),
        ("2025", 2025),
        ("24/25", 2025),
        ("2024-2025", 2025),
        ("2024-26", None),
        ("25", None),
        ("1999-00", 2000),
        ("", None),
        ("2025.0", 2025),
    ],
)
def test_school_years_are_end_years(text, year):
    assert end_year(text) == year


@pytest.mark.parametrize("line", ['partner_names = ["A", "B"]', 'partners = ["A", "B"]', 'partner = ["A", "B"]'])
def test_partners_are_known_under_any_of_their_names(tmp_path, line):
    assert config(tmp_path, f"[brief]\n{line}\n").brief == {"partner_names": ("A", "B")}
    assert config(tmp_path, '[brief]\npartner = "A"\n').brief == {"partner_names": ("A",)}
    with pytest.raises(UserError, match="partner"):
        config(tmp_path, f'[brief]\n{line}\n{"partner" if "partners" in line else "partners"} = "C"\n')


def test_celebration_and_brief_are_plain_texts(tmp_path):
    found = config(
        tmp_path, '[celebration]\ndate = 2026-06-12\ntime = 18:00:00\nawards = ["improved"]\n[brief]\ncontact = "x"\n'
    )
    assert (
        found.celebration == {"date": "2026-06-12", "time": "18:00", "awards": ("improved",)}
        and found.brief["contact"] == "x"
    )
