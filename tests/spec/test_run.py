"""Running a report: parameters before anything starts, a folder whole or not at all, errors in words."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import time

import pytest
from tiny import SECTION, write_notebook

from evalkit import files
from evalkit.errors import DisclosureStop, UsageError, UserError
from evalkit.kernels.notebooks import read_parameters
from evalkit.run import check_parameters, run_report


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_notebook(tmp_path)
    return tmp_path


def visible(folder):
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def leftovers(folder):
    return [p.name for p in folder.rglob(".*")]


def test_a_run_makes_the_folder_of_the_interface(place):
    folder = run_report("tiny", "data", params={"month": "2026-01", "school": "0007"}, out="reports")
    assert folder.relative_to(place).as_posix() == "reports/data/2026-01/tiny-0007"
    names = set(visible(folder))
    assert {"report.html", "report.pdf", "results.json", "MANIFEST.json", "notebook.ipynb", "tables.xlsx"} <= names
    assert (place / "reports" / "index.html").is_file()
    assert leftovers(place / "reports") == []


def test_without_a_month_the_period_is_the_as_of_date(place):
    assert run_report("tiny", "data", out="reports").parent.name == "2026-01-30"


def test_a_partner_gets_no_notebook_and_no_workbook(place):
    folder = run_report("tiny", "data", params={"audience": "partner"}, out="reports")
    assert folder.name == "tiny-partner"
    assert not {"notebook.ipynb", "tables.xlsx"} & set(visible(folder))


def test_the_manifest_describes_every_file(place):
    folder = run_report("tiny", "data", out="reports")
    outputs = json.loads((folder / "MANIFEST.json").read_text(encoding="utf-8"))["outputs"]
    assert set(outputs) == set(visible(folder)) - {"MANIFEST.json"}
    assert all(outputs[name] == files.sha256(folder / name) for name in outputs)


def test_the_executed_notebook_holds_no_path_time_or_papermill_mark(place):
    folder = run_report("tiny", place / "data", out="reports")
    text = (folder / "notebook.ipynb").read_text(encoding="utf-8")
    for trace in (str(place), "papermill", "start_time", "duration", "evalkit-"):
        assert trace not in text, trace
    assert "study = 'data'" in text


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX")
def test_a_team_copy_is_readable_by_its_owner_only(place):
    folder = run_report("tiny", "data", out="reports")
    open_to_others = [n for n in visible(folder) if stat.S_IMODE((folder / n).stat().st_mode) & 0o077]
    assert open_to_others == []


def test_fast_and_stock_kernels_give_the_same_outputs(place):
    fast = run_report("tiny", "data", out="fast", kernel="fast")
    stock = run_report("tiny", "data", out="stock", kernel="stock")
    for name in visible(fast):
        assert (fast / name).read_bytes() == (stock / name).read_bytes(), name


def test_the_stock_kernel_is_this_interpreter(place):
    write_notebook(place, "import sys\nfrom evalkit.errors import UserError\nraise UserError(sys.executable)")
    with pytest.raises(UserError) as refused:
        run_report("tiny", "data", out="reports", kernel="stock")
    assert refused.value.what.strip() == sys.executable


def test_a_cell_that_needs_a_kernel_gets_the_stock_one(place):
    write_notebook(place, SECTION, "display(opening)", "ek.publish(params, [opening])")
    assert (run_report("tiny", "data", out="reports") / "report.html").is_file()


@pytest.mark.parametrize("kernel", ["fast", "stock"])
@pytest.mark.parametrize("kind", [UserError, DisclosureStop])
def test_a_refusal_in_a_cell_arrives_as_itself(place, kernel, kind):
    name = kind.__name__
    write_notebook(place, f'from evalkit.errors import {name}\nraise {name}("No rows.", remedy="Add.")')
    with pytest.raises(kind) as refused:
        run_report("tiny", "data", out="reports", kernel=kernel)
    assert refused.value.screen() == "No rows.\nWhat to do: Add."
    assert visible(place / "reports") == [] and leftovers(place / "reports") == []


@pytest.mark.parametrize("kernel", ["fast", "stock"])
def test_an_error_of_ours_is_no_refusal(place, kernel):
    write_notebook(place, 'raise KeyError("0001234")')
    with pytest.raises(Exception) as problem:
        run_report("tiny", "data", out="reports", kernel=kernel)
    assert not isinstance(problem.value, UserError)
    assert visible(place / "reports") == []


def test_a_failed_run_keeps_the_old_report(place):
    folder = run_report("tiny", "data", out="reports")
    before = {name: (folder / name).read_bytes() for name in visible(folder)}
    write_notebook(place, SECTION, "raise ValueError")
    with pytest.raises(ValueError):
        run_report("tiny", "data", out="reports")
    assert {name: (folder / name).read_bytes() for name in visible(folder)} == before


def test_a_second_run_gives_the_same_bytes(place):
    first = run_report("tiny", "data", out="one")
    second = run_report("tiny", "data", out="two")
    assert [(first / n).read_bytes() for n in visible(first)] == [(second / n).read_bytes() for n in visible(second)]


def test_a_notebook_that_publishes_nothing_is_refused(place):
    write_notebook(place, "1 + 1")
    with pytest.raises(UserError, match="without publishing"):
        run_report("tiny", "data", out="reports")


@pytest.mark.parametrize(("params", "words"), [
    ({"mnth": "2026-01"}, 'Did you mean "month"'), ({"month": "January"}, "YYYY-MM"), ({"month": "2026-13"}, "YYYY-MM"),
    ({"as_of": "2025-02-30"}, "YYYY-MM-DD"), ({"audience": "partners"}, 'Did you mean "partner"'),
    ({"school": 1}, "zeros"), ({"n_rows": "three"}, "a whole number"), ({"n_rows": 2.5}, "a whole number"),
    ({"share": "half"}, "a number"), ({"is_short": "perhaps"}, "true or false"), ({"month": 202601}, "text"),
    ({"out": "x"}, "no parameter"), ({"school": "a\nimport os"}, "characters"), ({"school": "x" * 5000}, "too long"),
    ({"month": "2026-01", "as_of": "2026-01-30"}, "both")])
def test_a_parameter_is_refused_before_anything_starts(place, params, words):
    with pytest.raises(UsageError) as refused:
        run_report("tiny", "data", params=params, out="reports")
    assert words in refused.value.screen()
    assert not (place / "reports").exists()


def test_values_get_the_type_of_their_cell(place):
    values = check_parameters("tiny", place / "notebooks" / "tiny.ipynb", {
        "school": "0001", "n_rows": "7", "share": "1", "is_short": "yes"})
    assert values == {"school": "0001", "n_rows": 7, "share": 1.0, "is_short": True}


def test_the_parameters_cell_is_read_with_its_help(place):
    stated = {p.name: (p.kind, p.default, p.help) for p in read_parameters(place / "notebooks" / "tiny.ipynb")}
    assert stated["n_rows"] == ("int", 3, "how many rows")


@pytest.mark.parametrize("line", ["n = 3", "n: int = f()", "n: list = []", "import os", "x: int"])
def test_a_parameters_cell_holds_plain_lines_only(tmp_path, line):
    path = write_notebook(tmp_path, parameters=line)
    with pytest.raises((UserError, ValueError)):
        read_parameters(path)


def test_an_unknown_report_or_study_is_refused(place):
    with pytest.raises(UsageError, match="tiny"):
        run_report("tinny", "data", out="reports")
    with pytest.raises(UserError, match="not found"):
        run_report("tiny", "nowhere", out="reports")


def test_the_second_of_two_runs_is_told_who_holds_the_output(place):
    with files.held(place / "reports" / "data" / ".tiny.lock", what="x"), pytest.raises(UserError) as refused:
        run_report("tiny", "data", out="reports")
    assert f"process {os.getpid()}" in refused.value.screen()
    assert (run_report("tiny", "data", out="reports") / "report.html").is_file()


def _kill_after(seconds, place):
    code = "from evalkit.run import run_report; run_report('tiny', 'data', out='reports', kernel='fast')"
    process = subprocess.Popen([sys.executable, "-c", code], cwd=place)
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    process.wait()


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_a_killed_run_leaves_no_half_folder_and_the_next_one_sweeps(place):
    from evalkit.render.folder import faults, finished_runs

    for seconds in (0.6, 1.2, 1.6, 2.0):
        _kill_after(seconds, place)
        whole = [folder for folder in finished_runs(place / "reports") if faults(folder)]
        assert whole == []
    folder = run_report("tiny", "data", out="reports")
    assert faults(folder) == [] and leftovers(place / "reports") == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a folder that cannot be written")
def test_an_output_folder_without_access_is_refused_in_words(place):
    (place / "locked").mkdir(mode=0o500)
    with pytest.raises(UserError, match="could not be written"):
        run_report("tiny", "data", out="locked")


@pytest.mark.parametrize("last", ["ek.publish(params, [opening])", "raise ValueError"])
def test_no_kernel_is_left_behind(place, last):
    """The kernel writes its own process number down; once the run is over that process is gone."""
    write_notebook(place, SECTION, "import os, pathlib\npathlib.Path('pid').write_text(str(os.getpid()))", last)
    with contextlib.suppress(Exception):
        run_report("tiny", "data", out="reports", kernel="stock")
    pid = int((place / "pid").read_text())
    assert pid != os.getpid()
    for _ in range(50):
        if not is_alive(pid):
            return
        time.sleep(0.1)
    raise AssertionError("the kernel still runs")


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except OSError:
        return False
    return "Z" not in subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout
