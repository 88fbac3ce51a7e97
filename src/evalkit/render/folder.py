"""A run's folder: written whole, read back, and listed in index.html. The only reader of finished folders."""

from __future__ import annotations

import dataclasses
import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from evalkit import files
from evalkit.disclosure.types import Released, is_withheld
from evalkit.errors import UserError
from evalkit.render import sheets
from evalkit.render.blocks import TEAM, Context, Figure, Section, Table

MANIFEST, RESULTS = "MANIFEST.json", "results.json"
INPUTS = "inputs.jsonl"
"""Beside the ledger of a study's runs, for the team alone: what the inputs of each copy for others were. Their own
manifest does not say: whoever knows all rows of a small file but one finds that one by trying against its hash."""
_LIBRARIES = ("duckdb", "ibis", "jinja2", "narwhals", "numpy", "pandas", "papermill", "pyarrow", "scipy", "statsmodels",
              "typst", "xlsxwriter")


@dataclass(frozen=True)
class FinishedRun:
    """A finished folder read back. tables: file stem -> frame, all text. Grain: as written."""

    folder: Path
    manifest: Mapping[str, Any]
    results: Mapping[str, Any]

    def table(self, stem: str) -> pd.DataFrame:
        return pd.read_csv(self.folder / "tables" / f"{stem}.csv", dtype=str, encoding="utf-8", keep_default_na=False)

    @property
    def table_names(self) -> list[str]:
        return sorted(path.stem for path in (self.folder / "tables").glob("*.csv"))


def run_path(out: Path | str, context: Context, *, month: str = "", school: str = "") -> Path:
    """DIR/<study folder>/<period>/<report>[-<school>][-partner|-public]."""
    name = context.report + (f"-{files.safe_name(school)}" if school else "")
    name += "" if context.audience == TEAM else f"-{context.audience}"
    return Path(out) / files.safe_name(context.folder or context.study) / (month or context.as_of[:10]) / name


def fill(folder: Path, params: Any, sections: Sequence[Section], *, html: str, pdf: bytes) -> None:
    """Write every file of a run but the notebook; the manifest last."""
    context = sections[0].context
    private = context.audience == TEAM
    tables, book = sheets.as_files(shown_tables(sections), with_workbook=private)
    files.write_text(folder / "report.html", html, private=private)
    files.write_bytes(folder / "report.pdf", pdf, private=private)
    for stem, text in tables.items():
        files.write_text(folder / "tables" / f"{stem}.csv", text, private=private)
    for stem, svg in shown_figures(sections).items():
        files.write_text(folder / "figures" / f"{stem}.svg", svg, private=private)
    if private:
        files.write_bytes(folder / "tables.xlsx", book, private=True)
    for name, content in extra_files(sections).items():
        if isinstance(content, bytes):
            files.write_bytes(folder / name, content, private=private)
        else:
            files.write_text(folder / name, content, private=private)
    files.write_json(folder / RESULTS, results(sections), private=private)
    files.write_json(folder / MANIFEST, manifest(folder, params, context), private=private)


def shown_tables(sections: Sequence[Section]) -> dict[str, Released | pd.DataFrame]:
    """File stem -> data: the tables a section names, then every table and figure that has a key."""
    named: dict[str, Released | pd.DataFrame] = {}
    for section in sections:
        for name, data in section.tables.items():
            named.setdefault(files.safe_name(str(name)), data)
        for block in section.walk():
            if isinstance(block, Table | Figure) and block.key:
                named.setdefault(files.safe_name(block.key), block.data)
    return {name: data for name, data in named.items() if not is_withheld(data)}


def shown_figures(sections: Sequence[Section]) -> dict[str, str]:
    """File stem -> the drawing at its largest width."""
    found: dict[str, str] = {}
    for section in sections:
        for i, block in enumerate(block for block in section.walk() if isinstance(block, Figure)):
            if is_withheld(block.data):
                continue
            stem = files.safe_name(block.key or f"{section.key}-{i + 1}")
            stem = stem if stem not in found else files.safe_name(f"{section.key}-{stem}")
            found[stem] = block.drawing.svgs[max(block.drawing.svgs)]
    return found


def extra_files(sections: Sequence[Section]) -> dict[str, str | bytes]:
    """The further files the sections add, each inside the folder and none of them a file evalkit writes itself."""
    found: dict[str, str | bytes] = {}
    for section in sections:
        for name, content in section.files.items():
            path = PurePosixPath(name)
            if path.is_absolute() or ".." in path.parts or path.parts[0] in (MANIFEST, RESULTS, "figures"):
                raise ValueError(f'"{name}" is no name a section may give a file.')
            found[name] = content if isinstance(content, bytes) else str(content)
    return found


def results(sections: Sequence[Section]) -> dict[str, Any]:
    """results.json: what the sections add, merged; floats at full precision, a missing number is null."""
    context = sections[0].context
    found: dict[str, Any] = {
        "report": context.report, "study": context.study, "as_of": context.as_of, "period": context.period,
        "audience": context.audience, "school": context.school, "rules": dict(context.rules), "seed": context.seed,
        "row_account": dict(context.row_account)}
    for section in sections:
        _merge(found, section.numbers, section.key)
    return jsonable(found)


def _merge(into: dict[str, Any], new: Mapping[str, Any], where: str) -> None:
    for key, value in new.items():
        old = into.get(key)
        if isinstance(old, dict) and isinstance(value, Mapping):
            _merge(old, value, f"{where}.{key}")
        elif key in into and jsonable(old) != jsonable(value):
            raise ValueError(f"Two sections give different values of {where}.{key}.")
        else:
            into[str(key)] = dict(value) if isinstance(value, Mapping) else value


def jsonable(value: Any) -> Any:
    """`value` as json knows it: NaN and NA are null, dates are text, numpy and pandas numbers are plain."""
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, pd.DataFrame):
        return [jsonable(row) for row in value.to_dict(orient="records")]
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [jsonable(item) for item in items]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return jsonable(dataclasses.asdict(value))
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if hasattr(value, "isoformat"):
        return value.isoformat()[:10]
    if hasattr(value, "tolist"):
        return jsonable(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, str | int | bool) else str(value)


def manifest(folder: Path, params: Any, context: Context) -> dict[str, Any]:
    """What made this folder: versions, parameters, rules, seed, hashes. No user, host or absolute path."""
    return jsonable({
        "evalkit": _version("evalkit"), "libraries": {name: _version(name) for name in _LIBRARIES if _version(name)},
        "report": context.report, "parameters": parameters(params), "audience": context.audience,
        "study": context.study, "as_of": context.as_of, "period": context.period, "rules": dict(context.rules),
        "seed": context.seed, **({"plans": dict(context.plans)} if context.plans else {}),
        "inputs": dict(context.inputs), "outputs": outputs(folder)})


def parameters(params: Any) -> dict[str, Any]:
    """The report's parameters; of a path only its last part is kept, and `out` not at all."""
    is_record = dataclasses.is_dataclass(params) and not isinstance(params, type)
    given = dataclasses.asdict(params) if is_record else dict(params or {})  # type: ignore[call-overload, arg-type]
    given.pop("out", None)
    if given.get("study"):
        given["study"] = Path(str(given["study"])).name
    return given


def outputs(folder: Path) -> dict[str, str]:
    """File (relative, with /) -> sha256, of everything in `folder` but the manifest."""
    paths = sorted(path for path in Path(folder).rglob("*") if path.is_file() and path.name != MANIFEST)
    return {path.relative_to(folder).as_posix(): files.sha256(path) for path in paths}


def seal(folder: Path) -> None:
    """Write the manifest's output hashes anew, after something was added to a folder that is not public yet."""
    folder = Path(folder)
    known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    files.write_json(folder / MANIFEST, known | {"outputs": outputs(folder)}, private=known["audience"] == TEAM)


def note_inputs(home: Path, run: str, hashes: Mapping[str, str]) -> None:
    """Note what the run `run` (PERIOD/NAME below `home`) was made of; the last line of a run holds (mode 0600)."""
    line = json.dumps({"run": run, "inputs": dict(hashes)}, sort_keys=True) + "\n"
    files.append_bytes(Path(home) / INPUTS, line.encode("utf-8"), private=True)


def input_hashes(folder: Path) -> dict[str, str] | None:
    """Input file -> sha256 of what a finished run was made of; None where that is not noted (a copy handed on)."""
    folder = Path(folder)
    known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    if known["audience"] == TEAM:
        return {name: entry["sha256"] for name, entry in known["inputs"].items()}
    place, found = folder.parent.parent / INPUTS, None
    for text in place.read_text(encoding="utf-8").splitlines() if place.is_file() else ():
        line = json.loads(text)
        found = line["inputs"] if line["run"] == f"{folder.parent.name}/{folder.name}" else found
    return found


def read_run(folder: Path | str) -> FinishedRun:
    """A finished run's folder; refused when it is none."""
    folder = Path(folder)
    try:
        read = [json.loads((folder / name).read_text(encoding="utf-8")) for name in (MANIFEST, RESULTS)]
    except (OSError, ValueError):
        raise UserError("This is no finished run of evalkit: its MANIFEST.json or results.json cannot be read.",
                        file=folder.name, remedy="Give the folder that holds report.html and MANIFEST.json.") from None
    return FinishedRun(folder, *read)


def faults(folder: Path | str) -> list[str]:
    """What differs from the manifest: files changed, missing or added. Empty when the folder is whole."""
    run = read_run(folder)
    said, found = dict(run.manifest.get("outputs", {})), outputs(run.folder)
    return [*(f"{name} is missing" for name in sorted(said.keys() - found.keys())),
            *(f"{name} was added" for name in sorted(found.keys() - said.keys())),
            *(f"{name} was changed" for name in sorted(said.keys() & found.keys()) if said[name] != found[name])]


def finished_runs(out: Path | str) -> list[Path]:
    """Folders of finished runs under `out`, hidden ones left out, in the order of their paths."""
    return sorted(path.parent for path in Path(out).glob(f"*/*/*/{MANIFEST}")
                  if not any(part.startswith(".") for part in path.relative_to(out).parts))


def write_index(out: Path | str) -> Path:
    """DIR/index.html: one page that links every run."""
    from evalkit.render.html import index_html

    rows = []
    for folder in finished_runs(out):
        known = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        rows.append({"href": folder.relative_to(out).as_posix() + "/report.html", "name": _in_words(folder.name, known),
                     "report": known["report"], "study": known["study"], "period": folder.parent.name,
                     "audience": known["audience"], "as_of": known["as_of"]})
    return files.write_text(Path(out) / "index.html", index_html(rows))


def _in_words(folder: str, known: Mapping[str, Any]) -> str:
    """A run as a reader names it: "Monthly review, school 0101"; the audience stands beside it."""
    school = folder.removeprefix(known["report"]).removesuffix(f"-{known['audience']}").strip("-")
    report = known["report"].replace("_", " ").capitalize()
    return f"{report}, school {school}" if school else report


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""


def staging() -> Path | None:
    """The hidden folder a runner set aside for this run, if any."""
    given = os.environ.get("EVALKIT_STAGING", "")
    return Path(given) if given else None
