"""The command line: exit codes, one-screen refusals, no traceback, plain pipes."""

import json
import subprocess
import sys

import pytest
from sources_world import write
from tiny import write_notebook

from evalkit import cli


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path)
    return tmp_path


def run(*words, capsys):
    code = cli._main([str(word) for word in words])
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return code, out, err


def test_a_run_says_where_the_page_is(place, capsys):
    code, out, err = run("run", "tiny", "data", "--month", "2026-01", capsys=capsys)
    assert (code, err) == (0, "")
    assert "reports/data/2026-01/tiny/report.html" in out.replace("\\", "/")


def test_set_gives_any_other_parameter(place, capsys):
    code, _, _ = run("run", "tiny", "data", "--set", "n_rows=9", "--out", "o", capsys=capsys)
    assert code == 0
    assert json.loads((place / "o/data/2026-01-30/tiny/results.json").read_text(encoding="utf-8"))["n_rows"] == 9


@pytest.mark.parametrize(("words", "code", "says"), [
    (["run", "tinny", "data"], 2, 'Did you mean "tiny"'),
    (["run", "tiny", "nowhere"], 1, "not found"),
    (["run", "tiny", "nowhere"], 1, "Where: folder nowhere"),
    (["run", "tiny", "data", "--month", "January"], 2, "YYYY-MM"),
    (["run", "tiny", "data", "--audience", "partners"], 2, "partner"),
    (["run", "tiny", "data", "--set", "n_rows"], 2, "NAME=VALUE"),
    (["run", "tiny", "data", "--set", "n_rosw=1"], 2, 'Did you mean "n_rows"'),
    (["run", "tiny", "data", "--set", "n_rows=1", "--set", "n_rows=2"], 2, "twice"),
    (["run", "tiny", "data", "--set", "x; import os=1"], 2, "no parameter"),
    (["run", "tiny"], 2, "STUDY"),
    (["rnu", "tiny", "data"], 2, "run"),
    (["run", "tiny", "data", "--mnoth", "2026-01"], 2, "--month"),
    (["list", "nothing"], 2, "reports, estimators, checks, measures, sources"),
    (["new", "data"], 2, "--from")])
def test_a_wrong_call_is_one_screen_with_its_exit_code(place, capsys, words, code, says):
    found, out, err = run(*words, capsys=capsys)
    assert (found, out) == (code, "")
    assert says in err and len(err.splitlines()) <= 24


@pytest.mark.parametrize(("line", "says"), [
    ('estimator = "ols"', "regression_adjusted"), ('method = "closest"', "nearest"),
    ('outcome = "shoes"', "is_chronic"), ("ratio = 2", "prior_year"),
    ('ratio = 2\ncovariates = ["pre_absence_rate"]', "")], ids=["estimator", "method", "outcome", "last year", "fits"])
def test_check_tells_of_a_plan_that_cannot_be_carried_out(tmp_path, monkeypatch, capsys, line, says):
    """The plan is fixed before the results: its faults belong before them too, while it can still be changed."""
    monkeypatch.chdir(tmp_path)
    study = write(tmp_path / "study", toml=f'[[analysis]]\nid = "first"\n{line}\n')
    code, out, err = run("check", study, capsys=capsys)
    told = " ".join(out.split())
    assert (code, err) == (0, "")
    assert ("impact_study will be refused" in told) == bool(says) and says in told


def test_help_and_no_command_name_every_command(capsys):
    for words in (["--help"], []):
        _, out, err = run(*words, capsys=capsys)
        missing = [n for n in ("demo", "new", "check", "run", "batch", "audit", "verify", "pool", "simulate", "papers",
                               "notes", "export", "list") if n not in out + err]
        assert missing == []


@pytest.mark.parametrize(("error", "code"), [
    ("UserError", 1), ("UsageError", 2), ("DisclosureStop", 3), ("KeyError", 4)])
def test_exit_codes_of_what_a_cell_raises(place, capsys, error, code):
    source = f"from evalkit import errors\nraise getattr(errors, '{error}', KeyError)('of 0001234')"
    write_notebook(place, source)
    found, out, err = run("run", "tiny", "data", capsys=capsys)
    assert (found, out) == (code, "")
    assert "Traceback" not in err


def test_an_internal_error_names_a_private_log_without_values(place, capsys):
    write_notebook(place, "def f(student):\n    raise KeyError(student)\nf('0001234')")
    code, _, err = run("run", "tiny", "data", capsys=capsys)
    log = err.split("file ")[1].split(",")[0]
    from pathlib import Path

    text = Path(log).read_text(encoding="utf-8")
    Path(log).unlink()
    assert code == 4
    assert "KeyError" in text and "0001234" not in text + err


def test_terminal_escapes_are_never_printed(capsys):
    cli.say("a\x1b[31mb\u202ec\x07")
    assert capsys.readouterr().out == "a[31mbc\n"


def test_a_pipe_gets_no_progress_and_an_old_console_no_error(place):
    done = subprocess.run([sys.executable, "-m", "evalkit", "run", "tiny", "data"], capture_output=True, cwd=place,
                          env={**__import__("os").environ, "PYTHONIOENCODING": "ascii", "COLUMNS": "40"}, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == b"" and b"\x1b" not in done.stdout


def test_interrupting_is_no_traceback(place, capsys):
    write_notebook(place, "raise KeyboardInterrupt")
    code, _, err = run("run", "tiny", "data", capsys=capsys)
    assert code == 130 and "half-written" in err


def test_lists_name_the_reports_at_hand(place, capsys):
    code, out, _ = run("list", "reports", capsys=capsys)
    assert code == 0 and out.startswith("tiny")


@pytest.mark.parametrize(("kind", "name"), [
    ("estimators", "regression_adjusted"), ("checks", "balance"), ("measures", "absence_rate"), ("sources", "edfi")])
def test_lists_come_from_the_tables_of_their_rooms(capsys, kind, name):
    code, out, _ = run("list", kind, capsys=capsys)
    assert code == 0 and any(line.startswith(name) for line in out.splitlines())
