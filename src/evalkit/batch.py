"""One report for every school: in worker processes, past a school that fails, again only where something changed."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Executor, Future, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.errors import INTERNAL_ERROR, UsageError, UserError, must_be_one_of

BY = ("school",)
MADE, UNCHANGED, FAILED = "made", "unchanged", "failed"


@dataclass(frozen=True)
class Outcome:
    """What became of one school. state: made, unchanged (a finished run of the same inputs stands) or failed."""

    school: str
    state: str
    seconds: float = 0.0
    problem: str = ""
    exit_code: int = 0


def run_batch(report: str, study: str | Path, *, by: str = "school", params: Mapping[str, Any] | None = None,
              workers: int = 1, scheduler: str = "", out: str | Path = "reports",
              tell: Callable[[Outcome], None] = lambda outcome: None) -> list[Outcome]:
    """Make a report for every school of a study; returns one Outcome a school, in order of id.

    by: school. params: as for run_report, without school. workers: processes on this machine (1: this very process).
    scheduler: the address of a dask.distributed scheduler whose workers see the same folders. A school whose finished
    folder was made of the same inputs, parameters and version is left alone; `tell` hears of each school as it ends.
    """
    from evalkit.study import forget_reading

    must_be_one_of("by", by, BY)
    if workers < 1:
        raise UsageError("--workers must be 1 or more.")
    if scheduler and workers > 1:
        raise UsageError("--workers and --scheduler were both given.", remedy="Give one of them.")
    asked = dict(params or {})
    if asked.get("school"):
        raise UsageError("A batch makes every school.", remedy="Use evalkit run for one school.")
    base, source = files.locate(out).absolute(), files.locate(study)
    try:
        todo, done = _plan(report, source, asked, base)
        for outcome in done:
            tell(outcome)
        if todo:
            with _executor(min(workers, len(todo)), scheduler, (str(source), report)) as pool:
                done += _all(pool, report, source, asked, base, todo, tell)
    finally:
        forget_reading(source)
    _index(base)
    return sorted(done, key=lambda outcome: outcome.school)


def _plan(report: str, source: Path, asked: Mapping[str, Any], base: Path) -> tuple[list[str], list[Outcome]]:
    """Schools to make, and those that stand. The study is read once here, so that a fault of it is told once."""
    from evalkit.kernels.notebooks import find_notebook
    from evalkit.run import check_parameters
    from evalkit.study import keep_reading, open_study

    check_parameters(report, find_notebook(report), {**asked, "study": str(source)})
    keep_reading(source)
    study = open_study(source, as_of=asked.get("as_of") or None, month=asked.get("month") or None)
    schools = sorted(study.complete_through)
    if not schools:
        raise UserError("No school of this study has attendance to report.", file=source.name)
    stand = {school for school in schools if _stands(report, study, {**asked, "school": school}, base)}
    todo = [school for school in schools if school not in stand]
    return todo, [Outcome(school, UNCHANGED) for school in sorted(stand)]


def _stands(report: str, study: Any, asked: Mapping[str, Any], base: Path) -> bool:
    """Whether a whole finished folder was made by this version of the same inputs and parameters."""
    from evalkit import __version__
    from evalkit.render.folder import MANIFEST, faults, input_hashes, jsonable
    from evalkit.reports.params import folder_of

    period = asked.get("month") or f"{study.as_of:%Y-%m-%d}"
    folder = base / folder_of(study_name=study.folder.resolve().name, report=report, period=period,
                              school=asked["school"], audience=asked.get("audience", "team"))
    if not (folder / MANIFEST).is_file():
        return False
    try:
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        given = {name: value for name, value in known["parameters"].items() if name in asked}
        made_of = {name: entry["sha256"] for name, entry in study.inputs.items()}
        now = (__version__, made_of, jsonable(asked), f"{study.as_of:%Y-%m-%d}")
        same = (known["evalkit"], input_hashes(folder), given, known["as_of"]) == now
        return same and _rest_is_default(report, known, asked) and not faults(folder)
    except (UserError, ValueError, KeyError, TypeError, OSError):
        return False


def _rest_is_default(report: str, known: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """Parameters that were not asked for now had their defaults then."""
    from evalkit.kernels.notebooks import find_notebook, read_parameters

    defaults = {p.name: p.default for p in read_parameters(find_notebook(report)) if p.name not in ("study", "out")}
    return all(known["parameters"].get(name, value) == value for name, value in defaults.items() if name not in asked)


def _all(pool: Executor | None, report: str, source: Path, asked: Mapping[str, Any], base: Path, schools: list[str],
         tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Every school's outcome, told as it comes. Without a pool: one after the other, here."""
    done = []
    for outcome in _outcomes(pool, report, source, asked, base, schools):
        tell(outcome)
        done.append(outcome)
    return done


def _outcomes(pool: Executor | None, report: str, source: Path, asked: Mapping[str, Any], base: Path,
              schools: list[str]) -> Iterator[Outcome]:
    if pool is None:
        yield from (make_school(report, str(source), dict(asked), str(base), school) for school in schools)
        return
    waiting = {pool.submit(make_school, report, str(source), dict(asked), str(base), school): school
               for school in schools}
    try:
        for future in as_completed(waiting):
            yield _outcome(future, waiting[future])
    except BaseException:
        for future in waiting:
            future.cancel()
        raise


def _outcome(future: Future[Outcome], school: str) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return Outcome(school, FAILED, exit_code=INTERNAL_ERROR,
                       problem="Its process ended without a word (out of memory?). Try fewer --workers.")
    except Exception as problem:
        return Outcome(school, FAILED, problem=f"inside evalkit: {type(problem).__name__}", exit_code=INTERNAL_ERROR)


def make_school(report: str, study: str, params: dict[str, Any], out: str, school: str) -> Outcome:
    """One school's report, in whatever process this is, which reads the study once for all the schools it makes.

    Never raises: a failure is an outcome, in one sentence.
    """
    from evalkit.run import run_report
    from evalkit.study import keep_reading

    begun = time.monotonic()
    try:
        keep_reading(study)
        run_report(report, study, params={**params, "school": school}, out=out, index=False)
    except UserError as problem:
        where = f" ({problem.where})" if problem.where else ""
        return Outcome(school, FAILED, time.monotonic() - begun, f"{problem.what}{where}", problem.exit_code)
    except Exception as problem:
        return Outcome(school, FAILED, time.monotonic() - begun, f"inside evalkit: {type(problem).__name__}",
                       INTERNAL_ERROR)
    return Outcome(school, MADE, time.monotonic() - begun)


@contextlib.contextmanager
def _executor(workers: int, scheduler: str, work: tuple[str, str]) -> Iterator[Executor | None]:
    """Where schools are made: a dask scheduler, fresh processes (spawned, as on Windows), or here."""
    if scheduler:
        with _dask(scheduler) as pool:
            yield pool
    elif workers == 1:
        yield None
    else:
        import multiprocessing
        from concurrent.futures import ProcessPoolExecutor

        pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"),
                                   initializer=_begin_worker, initargs=work)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker(study: str, report: str) -> None:
    """A worker process makes reports of this study and nothing else, to its end."""
    from evalkit.run import working_on

    _WORKING.enter_context(working_on(study, report))


_WORKING = contextlib.ExitStack()


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Executor]:
    """The executor of a dask.distributed cluster that is running already."""
    try:
        from distributed import Client
    except ImportError:
        raise UsageError("--scheduler needs dask.distributed, which is not installed.",
                         remedy='Install it beside evalkit: pip install "distributed". Or use --workers.') from None
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError):
        raise UsageError("No dask scheduler answered at that address.",
                         remedy="Start one (dask scheduler), or use --workers.") from None
    with client:
        yield client.get_executor()


def _index(base: Path) -> None:
    from evalkit.render.folder import write_index

    if base.is_dir():
        write_index(base)
