"""Run a report: check what was asked, execute its notebook, verify the folder, put it in place whole."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.errors import UsageError, UserError
from evalkit.kernels.inprocess import uses_only_evalkit
from evalkit.kernels.notebooks import Parameter, find_notebook, read_parameters
from evalkit.reports.params import check_form, check_type, folder_of, unknown_parameter

_ID_NAMES = re.compile(r"(^|_)(school|student|mentor|district|household)(_id)?$")
_LONGEST_VALUE = 4000


def run_report(report: str, study: str | Path, *, params: Mapping[str, Any] | None = None, out: str | Path = "reports",
               kernel: str = "auto", index: bool = True) -> Path:
    """Run one report on one study folder; returns the finished folder.

    params: month, as_of, school, audience and the report's own, by name; text is read as the type the notebook's
    parameters cell states, ids stay text. out: the folder that holds all runs. kernel: auto, fast or stock.
    index: write DIR/index.html anew
    (a batch does it once at its end).
    The folder appears whole or not at all; an earlier one is replaced. Raises UsageError for a parameter the report
    does not have, UserError for what a reader can mend, DisclosureStop where a report would give a small group away.
    """
    notebook = find_notebook(report)
    asked = check_parameters(report, notebook, {**(params or {}), "study": str(study)})
    source, base = files.locate(study), files.locate(out).absolute()
    if not source.exists():
        raise UserError("The study folder was not found.", file=f"{source.name}/",
                        remedy="Give the path of a study's folder.")
    home = base / files.safe_name(source.resolve().name)
    files.must_lie_outside(home, source)
    label = "-".join(part for part in (report, *(str(asked[k]) for k in ("month", "as_of", "school", "audience")
                                                 if asked.get(k))) if part)
    with _staging(home, files.safe_name(label)) as staging:
        executed = _execute(notebook, {**asked, "study": str(source)}, staging, kernel)
        target = base / _place(staging, report, source.resolve().name, asked)
        with _refused_when_unwritable(), files.whole_folder(target, staging=staging) as folder:
            _finish(folder, executed, {**asked, "study": source.resolve().name})
            if asked.get("audience", "team") != "team":
                _pass_the_auditor(folder, target, home)
                _note_inputs(folder, target, home, source)
    if index:
        _index(base)
    return target


@contextlib.contextmanager
def working_on(study: str | Path, report: str) -> Iterator[None]:
    """How texts are held while this process, in one thread, does nothing but make a report of ours.

    Only the command line and the workers of a batch do. Who calls `run_report` from Python, and a reader's own cells,
    find pandas as it is: the setting is the whole process's.
    """
    from evalkit.engine import is_small, text_storage

    notebook, folder = json.loads(find_notebook(report).read_text(encoding="utf-8")), files.locate(study)
    with contextlib.ExitStack() as held:
        if uses_only_evalkit(notebook):
            held.enter_context(text_storage(folder))
        if is_small(folder):
            held.enter_context(_seldom_searched_for_cycles())
        yield


@contextlib.contextmanager
def _seldom_searched_for_cycles() -> Iterator[None]:
    """Python looks for unreachable cycles after 100,000 new objects instead of 700: a small study makes next to none,
    and looking took a twentieth of a run (0.74 of 15.0 CPU seconds on the sample)."""
    usual = gc.get_threshold()
    gc.set_threshold(100_000, *usual[1:])
    try:
        yield
    finally:
        gc.set_threshold(*usual)


def check_parameters(report: str, notebook: Path, values: Mapping[str, Any]) -> dict[str, Any]:
    """The values by type, before anything starts: an unknown name, a wrong type or an impossible form is refused."""
    known = {parameter.name: parameter for parameter in read_parameters(notebook)}
    checked = {}
    for name, value in values.items():
        if name not in known or name == "out":
            raise unknown_parameter(str(name), [key for key in known if key != "out"], report=report)
        checked[name] = _typed(known[name], value)
    check_form(**{key: checked[key] for key in ("month", "as_of", "audience") if key in checked})
    _ask_params(report, checked)
    return checked


def _typed(parameter: Parameter, value: Any) -> Any:
    """A value as the type its cell states; text from the command line is read, ids stay text."""
    is_id = parameter.kind == "str" and bool(_ID_NAMES.search(parameter.name))
    if isinstance(value, str):
        if len(value) > _LONGEST_VALUE or any(ord(c) < 32 for c in value):
            raise UsageError(f"{parameter.name} holds characters that cannot stand in a parameter, or is too long.")
        value = _read(parameter, value)
    check_type(parameter.name, value, parameter.kind, is_id=is_id)
    return value


def _read(parameter: Parameter, text: str) -> Any:
    try:
        if parameter.kind == "bool":
            return {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}[text.lower()]
        return {"int": int, "float": float}.get(parameter.kind, str)(text)
    except (KeyError, ValueError):
        words = {"bool": "true or false", "int": "a whole number", "float": "a number"}[parameter.kind]
        raise UsageError(f"{parameter.name} must be {words}.",
                         remedy=f"Change {parameter.name} and run again.") from None


def _ask_params(report: str, values: Mapping[str, Any]) -> None:
    """Let the report's own Params check its choices too (a notebook of the reader's own has none)."""
    from importlib import import_module
    from importlib.util import find_spec

    if find_spec(f"evalkit.reports.{report}") is None:
        return
    kind = getattr(import_module(f"evalkit.reports.{report}"), "Params", None)
    if kind is not None:
        names = {field.name for field in fields(kind)}
        needed = [field.name for field in fields(kind) if field.default is MISSING and field.name not in values]
        if not needed:
            kind(**{key: value for key, value in values.items() if key in names})


@contextlib.contextmanager
def _staging(home: Path, label: str) -> Iterator[Path]:
    """A hidden folder to write in, and the right to write it: a second run of the same report is told who holds it."""
    with files.held(home / f".{label}.lock", what=f"The report {label}"):
        files.remove_leftovers(home, f".{label}-")
        with _refused_when_unwritable():
            staging = files.hidden_folder(home, f".{label}-")
        try:
            yield staging
        finally:
            files.remove_leftovers(home, f".{label}-")


@contextlib.contextmanager
def _refused_when_unwritable() -> Iterator[None]:
    """A full disk or a folder without access, in words."""
    try:
        yield
    except OSError as problem:
        raise UserError(f"The output folder could not be written: {problem.strerror or 'no access'}.",
                        remedy="Free some disk space or choose another --out folder; an earlier report is unchanged."
                        ) from None


def _execute(notebook: Path, values: Mapping[str, Any], staging: Path, kernel: str) -> Any:
    """The executed notebook; its `publish` writes into `staging`."""
    from evalkit.kernels.execute import execute

    before = os.environ.get("EVALKIT_STAGING")
    os.environ["EVALKIT_STAGING"] = str(staging)
    try:
        return execute(notebook, values, kernel=kernel)
    finally:
        if before is None:
            del os.environ["EVALKIT_STAGING"]
        else:
            os.environ["EVALKIT_STAGING"] = before


def _place(staging: Path, report: str, study_name: str, asked: Mapping[str, Any]) -> str:
    """The run's folder below `out`; the as-of date is the one its results state."""
    results = staging / "results.json"
    if not results.is_file():
        raise UserError("The notebook ended without publishing a report.",
                        remedy="Its last cell must be ek.publish(params, [...]).", file=f"{report}.ipynb")
    as_of = str(json.loads(results.read_text(encoding="utf-8"))["as_of"])[:10]
    return folder_of(study_name=study_name, report=report, period=asked.get("month") or as_of,
                     school=asked.get("school", ""), audience=asked.get("audience", "team"))


def _finish(folder: Path, executed: Any, values: Mapping[str, Any]) -> None:
    """Add the executed notebook for the team, complete the manifest, and check every file against it."""
    from evalkit.render.folder import faults, seal

    if values.get("audience", "team") == "team":
        text = json.dumps(strip_notebook(executed, values), indent=1, ensure_ascii=False, sort_keys=True)
        files.write_text(folder / "notebook.ipynb", text + "\n", private=True)
        seal(folder)
    wrong = faults(folder)
    if wrong:
        raise UserError("The finished folder does not match its manifest.", culprits=wrong,
                        remedy="Run the report again; if it happens twice, please report it.")


def _pass_the_auditor(folder: Path, target: Path, home: Path) -> None:
    """The auditor is the gate: a copy for others is attacked together with every one released before, then noted.

    It is noted just before it appears: a run that dies in between leaves one release too many in the ledger, never one
    too few.
    """
    from evalkit.disclosure.ledger import must_stand_beside, note_releases, read_ledger

    copy = replace(read_copy(folder), name=f"{target.parent.name}/{target.name}")
    there = [read_copy(path.parent) for path in sorted(home.glob("*/*/MANIFEST.json"))
             if not any(part.startswith(".") for part in path.relative_to(home).parts)
             and path.parent.name.endswith(("-partner", "-public"))]
    note_releases(home, there)
    must_stand_beside(copy, list(read_ledger(home).values()))
    note_releases(home, [copy])


def _note_inputs(folder: Path, target: Path, home: Path, source: Path) -> None:
    """What a copy for others was made of, for `evalkit verify` and the batch: beside the ledger, not in the copy."""
    from evalkit.render.folder import note_inputs, read_run

    names = [name for name in read_run(folder).manifest.get("inputs", {}) if (source / name).is_file()]
    note_inputs(home, f"{target.parent.name}/{target.name}", {name: files.sha256(source / name) for name in names})


def strip_notebook(executed: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """The executed notebook without times, paths and papermill's marks; its parameters name the study, not its path."""
    notebook = json.loads(json.dumps(executed))
    notebook["metadata"] = {key: value for key, value in notebook["metadata"].items() if key == "language_info"}
    notebook["metadata"]["language_info"] = {"name": "python"}
    notebook["metadata"]["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
    for number, cell in enumerate(notebook["cells"]):
        tags = cell.get("metadata", {}).get("tags", [])
        cell["metadata"] = {"tags": tags} if tags else {}
        cell["id"] = f"cell-{number}"
        if "injected-parameters" in tags:
            cell["source"] = "\n".join(["# Parameters", *(f"{key} = {value!r}" for key, value in values.items())])
    return notebook


def audit_folders(folders: Sequence[str | Path]) -> tuple[list[Any], int]:
    """(findings, number of copies attacked) over finished folders, or folders that hold some; see disclosure.audit.

    Copies for the team are left out: nothing in them is hidden. Raises UserError where there is no finished run.
    """
    from evalkit.disclosure.audit import audit

    runs: list[Path] = []
    for given in folders:
        folder = files.locate(given)
        below = sorted(path.parent for path in folder.rglob("MANIFEST.json")) if folder.is_dir() else []
        if not below:
            raise UserError("There is no finished run in this folder.", file=folder.name,
                            remedy="Give the folder that holds report.html and MANIFEST.json, or one above it.")
        runs += [run for run in below if run not in runs]
    copies = [copy for run in runs if (copy := read_copy(run)).audience != "team"]
    return audit(copies), len(copies)


def read_copy(folder: str | Path) -> Any:
    """A finished folder as its reader sees it: results.json, tables, the words of the page and of the figures."""
    from evalkit.disclosure.audit import Copy
    from evalkit.render.folder import read_run

    run = read_run(folder)
    pages = [run.folder / "report.html", *sorted((run.folder / "figures").glob("*.svg"))]
    text = " ".join(_words_of(page.read_text(encoding="utf-8")) for page in pages if page.is_file())
    rounded = re.findall(r"rounded to (\d+)", text)
    return Copy(name=run.folder.parent.name + "/" + run.folder.name, study=str(run.results.get("study", "")),
                report=str(run.results.get("report", "")), as_of=str(run.results.get("as_of", "")),
                school=str(run.results.get("school") or ""), audience=str(run.results.get("audience", "team")),
                results=run.results, tables={stem: run.table(stem).to_dict("records") for stem in run.table_names},
                text=text, rounded_to=max(map(int, rounded), default=1))


def _words_of(page: str) -> str:
    """The text of a page, its elements apart, styles left out."""
    import html

    page = re.sub(r"<(style|script)\b.*?</\1>", " ", page, flags=re.S)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " | ", page)))


@dataclass(frozen=True)
class Verified:
    """What `verify_run` found. faults: what differs, empty when nothing does. remarks: what could not be compared."""

    faults: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    n_files: int = 0
    run_again: bool = False


def verify_run(folder: str | Path, *, study: str | Path | None = None) -> Verified:
    """Recompute a finished run: every file's sha256 against MANIFEST.json, then the report itself from its inputs.

    study: the study's folder; when left out, a folder of the name in the manifest is looked for here, in data/ and
    beside the folder of runs. It is run again only when every input is the very file that the manifest names.
    """
    from evalkit.render.folder import faults, input_hashes, read_run

    run = read_run(files.locate(folder))
    wrong, n_files = faults(run.folder), len(run.manifest.get("outputs", {}))
    source = _inputs_of(run, study)
    if wrong or source is None:
        remark = "The study's folder is not at hand (--study FOLDER), so the report was not run again."
        return Verified(tuple(wrong), () if wrong else (remark,), n_files)
    known = input_hashes(run.folder)
    changed = _changed_since(run, source) if known is None else ", ".join(_changed_inputs(source, known)[:5])
    if changed:
        remark = f"The study has changed since ({changed}), so the report was not run again."
        return Verified((), (remark,), n_files)
    return Verified(tuple(_run_again(run, source)), (), n_files, run_again=True)


def _inputs_of(run: Any, study: str | Path | None) -> Path | None:
    """The folder of the study that a run was made from."""
    if study is not None:
        if not (found := files.locate(study)).exists():
            raise UserError("The study folder was not found.", file=f"{found.name}/",
                            remedy="Give the path of a study's folder.")
        return found
    name = str(run.manifest.get("parameters", {}).get("study", ""))
    home = run.folder.absolute().parents
    places = [Path.cwd(), Path.cwd() / "data", *home[3:5], *(place / "data" for place in home[3:5])]
    return next((place / name for place in places if name and (place / name).is_dir()), None)


def _changed_inputs(source: Path, known: Mapping[str, str]) -> list[str]:
    """Inputs that are missing or are not the bytes they were."""
    return [name for name, digest in sorted(known.items())
            if not (source / name).is_file() or files.sha256(source / name) != digest]


def _changed_since(run: Any, source: Path) -> str:
    """Whether this is the study that a copy handed on was made of, told by the keyed fingerprints of its manifest."""
    from evalkit.disclosure.fingerprints import keyed_fingerprints

    said = {name: known.get("sha256", "") for name, known in run.manifest["inputs"].items()}
    missing = [name for name in sorted(said) if not (source / name).is_file()]
    same = not missing and keyed_fingerprints({name: files.sha256(source / name) for name in said}) == said
    return "" if same else ", ".join(missing[:5]) or "which of its files, this copy does not tell"


def _run_again(run: Any, source: Path) -> list[str]:
    """Run the report once more in a folder of its own; what its numbers and tables differ in."""
    from evalkit.render.folder import read_run

    params = {key: value for key, value in run.manifest["parameters"].items() if key != "study" and value != ""}
    with files.scratch_folder() as place:
        again = read_run(run_report(str(run.manifest["report"]), source, params=params, out=place))
        names = [name for name in {**run.manifest["outputs"], **again.manifest["outputs"]}
                 if name == "results.json" or name.startswith("tables/")]
        return [f"{name} comes out differently when the report is run again" for name in sorted(set(names))
                if run.manifest["outputs"].get(name) != again.manifest["outputs"].get(name)]


def _index(base: Path) -> None:
    """DIR/index.html links every run."""
    from evalkit.render.folder import write_index

    write_index(base)
