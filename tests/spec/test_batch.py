"""Every school: made once, past a school that fails, again only where something changed, what was cut off goes on."""

from __future__ import annotations

import contextlib
import shutil
import sys
import types
from concurrent.futures import ThreadPoolExecutor

import pytest
import recount

from evalkit import batch
from evalkit.errors import UsageError, UserError
from evalkit.simulate import simulate_district, write_study

REPORT = "data_check"


@pytest.fixture(scope="module")
def district(tmp_path_factory):
    """Three small schools, so that a report takes a moment."""
    folder = tmp_path_factory.mktemp("many") / "district"
    write_study(folder, simulate_district(n_students=90, n_schools=3, effect_days=-4, seed=7))
    return folder


def states(outcomes) -> dict[str, str]:
    return {outcome.school: outcome.state for outcome in outcomes}


def made_of(out) -> dict[str, float]:
    return {path.parent.name: path.stat().st_mtime_ns for path in out.rglob("MANIFEST.json")}


def test_a_second_run_does_nothing_and_a_changed_input_makes_all_again(district, tmp_path) -> None:
    study, out, told = tmp_path / "district", tmp_path / "out", []
    shutil.copytree(district, study)
    first = batch.run_batch(REPORT, study, out=out, tell=told.append)
    assert set(states(first).values()) == {"made"} and len(first) == len(told) == 3
    assert [o.school for o in first] == sorted(o.school for o in first)
    before = made_of(out)
    assert len(before) == 3 and (out / "index.html").read_text(encoding="utf-8").count("report.html") == 3
    assert set(states(batch.run_batch(REPORT, study, out=out)).values()) == {"unchanged"}
    assert made_of(out) == before
    next(out.rglob("report.html")).write_text("broken", encoding="utf-8")
    assert sorted(states(batch.run_batch(REPORT, study, out=out)).values()) == ["made", "unchanged", "unchanged"]
    with (study / "study.toml").open("a", encoding="utf-8") as file:
        file.write("\n# a remark\n")
    assert set(states(batch.run_batch(REPORT, study, out=out)).values()) == {"made"}


def test_an_interrupted_batch_goes_on_where_it_stopped(district, tmp_path, monkeypatch) -> None:
    real, calls = batch.make_school, []

    def stop_at_second(*given):
        calls.append(given[-1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*given)

    monkeypatch.setattr(batch, "make_school", stop_at_second)
    with pytest.raises(KeyboardInterrupt):
        batch.run_batch(REPORT, district, out=tmp_path)
    monkeypatch.setattr(batch, "make_school", real)
    rest = states(batch.run_batch(REPORT, district, out=tmp_path))
    assert rest[calls[0]] == "unchanged" and sorted(rest.values()) == ["made", "made", "unchanged"]


def test_a_school_that_fails_does_not_stop_the_others(district, tmp_path, monkeypatch) -> None:
    import evalkit.run

    real = evalkit.run.run_report

    def fail_one(report, study, *, params, **more):
        if params["school"] == bad:
            raise UserError("This school cannot be told.", file="enrollment.csv")
        return real(report, study, params=params, **more)

    bad = batch._plan(REPORT, district, {}, tmp_path)[0][1]
    monkeypatch.setattr(evalkit.run, "run_report", fail_one)
    found = {outcome.school: outcome for outcome in batch.run_batch(REPORT, district, out=tmp_path)}
    assert sorted(states(found.values()).values()) == ["failed", "made", "made"]
    assert found[bad].exit_code == 1 and "enrollment.csv" in found[bad].problem


@pytest.mark.slow
def test_two_workers_make_the_same_bytes_as_one(district, tmp_path) -> None:
    for name, workers in (("one", 1), ("two", 2)):
        done = batch.run_batch(REPORT, district, workers=workers, out=tmp_path / name)
        assert set(states(done).values()) == {"made"}
    one, two = ({path.relative_to(tmp_path / name).as_posix(): path.read_bytes() for path in
                 (tmp_path / name).rglob("*") if path.is_file()} for name in ("one", "two"))
    assert one == two


def test_another_parameter_is_another_page(district, tmp_path) -> None:
    batch.run_batch(REPORT, district, out=tmp_path)
    partner = batch.run_batch(REPORT, district, params={"audience": "partner"}, out=tmp_path)
    assert set(states(partner).values()) == {"made"}
    assert set(states(batch.run_batch(REPORT, district, out=tmp_path)).values()) == {"unchanged"}


def test_a_scheduler_is_used_when_it_can_be(district, tmp_path, monkeypatch) -> None:
    """A stand-in for dask.distributed: the client's executor is the only thing asked of it."""
    asked = []

    class Client(contextlib.AbstractContextManager):
        def __init__(self, address, timeout):
            asked.append(address)

        def __exit__(self, *_):
            return None

        def get_executor(self):
            return ThreadPoolExecutor(1)

    monkeypatch.setitem(sys.modules, "distributed", types.SimpleNamespace(Client=Client))
    done = batch.run_batch(REPORT, district, scheduler="tcp://scheduler:8786", out=tmp_path)
    assert asked == ["tcp://scheduler:8786"] and set(states(done).values()) == {"made"}


@pytest.mark.parametrize(("options", "says"), [
    ({"by": "mentor"}, "school"), ({"workers": 0}, "1 or more"), ({"workers": 2, "scheduler": "x"}, "both"),
    ({"params": {"school": "0001"}}, "every school"), ({"params": {"audiense": "team"}}, "audience"),
    ({"scheduler": "tcp://x:1"}, "pip install")])
def test_what_a_batch_cannot_do_is_refused(district, tmp_path, monkeypatch, options, says) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UsageError) as refused:
        batch.run_batch(REPORT, district, out=tmp_path, **options)
    assert says in refused.value.screen()


def test_the_sample_has_its_schools() -> None:
    todo, done = batch._plan(REPORT, recount.SAMPLE, {}, recount.SAMPLE.parent / "nowhere")
    assert len(todo) == 6 and not done


def test_a_batch_reads_the_study_once_and_says_what_a_single_run_says(district, tmp_path, monkeypatch) -> None:
    """One reading for all the schools a process makes; each page is byte for byte that of `evalkit run --school`."""
    import evalkit.study
    from evalkit.run import run_report

    real, read = evalkit.study.read_study, []
    monkeypatch.setattr(evalkit.study, "read_study", lambda folder: read.append(folder) or real(folder))
    done = batch.run_batch("monthly_review", district, params={"month": "2025-11"}, out=tmp_path / "batch")
    assert set(states(done).values()) == {"made"} and len(done) == 3 and len(read) == 1
    school = done[0].school
    alone = run_report("monthly_review", district, params={"month": "2025-11", "school": school}, out=tmp_path / "one")
    assert len(read) >= 2  # what a batch keeps is given back at its end
    beside = tmp_path / "batch" / alone.relative_to(tmp_path / "one")
    for name in ("results.json", "report.html", "MANIFEST.json"):
        assert (alone / name).read_bytes() == (beside / name).read_bytes()


def test_a_file_that_changes_while_a_reading_is_kept_is_read_again(district, tmp_path) -> None:
    from evalkit.study import forget_reading, keep_reading, open_study

    study = tmp_path / "district"
    shutil.copytree(district, study)
    keep_reading(study)
    try:
        first = open_study(study)
        assert open_study(study) is first
        with (study / "study.toml").open("a", encoding="utf-8") as file:
            file.write("\n[privacy]\nmin_cell = 12\n" if "[privacy]" not in (study / "study.toml").read_text(
                encoding="utf-8") else "\n# a remark\n")
        assert open_study(study) is not first
    finally:
        forget_reading(study)
    assert open_study(study) is not open_study(study)


def test_one_school_found_by_index_is_the_school_found_by_looking_through(district) -> None:
    """Rows of one school, at the end and at an earlier date, against `of_school` over the whole study's tables."""
    import pandas as pd

    from evalkit.sources.known import of_school, up_to
    from evalkit.study import open_study

    whole = open_study(district)
    for school in whole.complete_through:
        for when in ("2025-10-31", "2026-02-27"):
            found = open_study(district, as_of=when, school=school)
            expected = of_school(up_to(whole._all.tables, pd.Timestamp(when)), school)
            assert set(found.tables) == set(expected)
            for name, frame in expected.items():
                pd.testing.assert_frame_equal(found.tables[name], frame)
