"""Where things are written: set-aside rows beside the runs, nothing ever inside the study."""

from __future__ import annotations

import json
import stat

import pytest
from sources_world import BASE, LOOSE, write
from tiny import write_notebook

from evalkit import cli
from evalkit.errors import UserError
from evalkit.run import run_report
from evalkit.study import check_study, open_study

STRAY = {"assignment": BASE["assignment"] + "9999,M1,2024-09-05,\n"}
CELLS = '''import evalkit as ek
from evalkit.reports.params import Params, make_context
from evalkit.render.blocks import Paragraph
from evalkit.disclosure import plain_text
params = Params(study=study, month=month, as_of=as_of, school=school, audience=audience, out=out)
context = make_context(ek.open_study(study), params, "Tiny")
opening = ek.Section(context, "opening", "A title", (Paragraph(plain_text("Words.")),))
opening'''


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path, CELLS, "ek.publish(params, [opening])")
    write(tmp_path / "data", STRAY, toml=LOOSE)
    return tmp_path


def test_a_teams_run_keeps_the_set_aside_rows_and_says_where(place):
    folder = run_report("tiny", "data", out="o")
    kept = place / "o" / "data" / "set-aside"
    account = json.loads((folder / "results.json").read_text(encoding="utf-8"))["row_account"]
    assert account["set_aside"] == "data/set-aside" and "9999" in (kept / "assignment.csv").read_text(encoding="utf-8")
    assert stat.S_IMODE((kept / "assignment.csv").stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    at = (kept / "assignment.csv").stat().st_mtime_ns
    run_report("tiny", "data", out="o")
    assert (kept / "assignment.csv").stat().st_mtime_ns == at, "what is kept already is left alone"


def test_a_partners_run_keeps_and_says_nothing_of_them(place):
    folder = run_report("tiny", "data", params={"audience": "partner"}, out="o")
    assert not (place / "o" / "data" / "set-aside").exists()
    assert "set_aside" not in json.loads((folder / "results.json").read_text(encoding="utf-8"))["row_account"]


def test_check_says_where_the_rows_are_kept(place, capsys):
    assert cli._main(["check", "data", "--json", "--out", "o"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["set_aside"] == "o/data/set-aside" and (place / said["set_aside"] / "assignment.csv").is_file()


def test_nothing_set_aside_is_null(tmp_path):
    assert check_study(write(tmp_path / "s"), out=tmp_path / "o").to_dict()["set_aside"] is None


@pytest.mark.parametrize("out", [".", "data/reports"])
def test_an_output_inside_the_study_is_refused_and_nothing_written(place, out):
    before = sorted(path.relative_to(place).as_posix() for path in (place / "data").rglob("*"))
    for act in (lambda: run_report("tiny", "data", out=out), lambda: check_study("data", out=out)):
        with pytest.raises(UserError, match="inside the study"):
            act()
    assert sorted(path.relative_to(place).as_posix() for path in (place / "data").rglob("*")) == before
    assert open_study("data").name == "tiny"
