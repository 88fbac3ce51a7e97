"""study.toml, read strictly: an unknown key is refused with the nearest known one; a value of the wrong shape too."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from evalkit.errors import UserError, nearest
from evalkit.rules import Rules, make_rules
from evalkit.schemas import tables as schema_tables

FILE = "study.toml"
SECTIONS = ("study", "rules", "tables", "columns", "codes", "analysis", "privacy", "celebration", "brief")
STUDY_KEYS = (
    "name",
    "school_year",
    "mentor_term",
    "language",
    "date_order",
    "exit_is_exclusive",
    "id_width",
    "blank_code",
    "is_sample",
    "no_mentors_yet",
)
DATE_ORDERS = ("month_first", "day_first")
BLANK_CODES = ("present", "refuse")
LANGUAGES = ("en", "es")


@dataclass(frozen=True)
class AnalysisPlan:
    """One planned analysis: fixed before results. Names of methods are checked by the room that owns them."""

    id: str = "main"
    comparison: str = "within_school"
    outcome: str = "absence_rate"
    estimator: str = "regression_adjusted"
    estimand: str = "ATT"
    method: str = "nearest"
    distance: str = "propensity"
    baseline: str = "landmark"
    exact: tuple[str, ...] = ()
    covariates: tuple[str, ...] = (
        "prior_absence_rate",
        "pre_absence_rate",
        "english_learner",
        "disability_idea",
        "econ_disadvantaged",
    )
    ratio: int = 1
    replace: bool = False
    caliper: float | None = None
    order: str = ""
    clustered_by: str = ""
    standard_errors: str = "CR2"
    eligible: str = "all"
    clock: str = "begin"
    later_assigned: str = "censor"
    follow_up_end: str = ""
    seed: int = 20260
    before: str = ""
    score: str = ""
    cutoff: float | None = None
    side: str = "above"

    def settings(self) -> dict[str, Any]:
        """Every setting as written, those of one estimator (before; score, cutoff, side) only where they are used."""
        own = {item.name for item in fields(self) if item.name in OWN_KEYS and getattr(self, item.name) == item.default}
        return {key: value for key, value in asdict(self).items() if key not in own}

    @property
    def sha256(self) -> str:
        """The hash of the plan's settings: in whatever order they were written."""
        return hashlib.sha256(json.dumps(self.settings(), sort_keys=True).encode()).hexdigest()


OWN_KEYS = ("before", "score", "cutoff", "side")


PLAN_CHOICES: dict[str, tuple[str, ...]] = {
    "comparison": ("within_school", "comparison_schools", "waitlist", "prior_cohort", "randomized"),
    "estimand": ("ATT", "ATE", "ATC"),
    "order": ("largest", "smallest", "closest", "random", "data", ""),
    "standard_errors": ("CR0", "CR1", "CR1S", "CR2", "CR3", "wild_bootstrap", "robust", "analytic", "bootstrap"),
    "side": ("above", "below"),
    "eligible": ("all", "prior_chronic", "early_warning"),
    "clock": ("begin", "assigned"),
    "later_assigned": ("censor", "exclude"),
}


@dataclass(frozen=True)
class Privacy:
    """How small groups are kept safe in what leaves the site. key_file: the pseudonym key, kept outside the study."""

    min_cell: int = 10
    rounding_base: int = 1
    protect_width: int = 5
    key_file: str = ""


@dataclass(frozen=True)
class Config:
    """Everything a study.toml says, with defaults where it says nothing."""

    name: str
    school_year: int = 0
    mentor_term: str = "mentor"
    language: str = "en"
    rules: Rules = field(default_factory=Rules)
    tables: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    codes: Mapping[str, Any] = field(default_factory=dict)
    analyses: tuple[AnalysisPlan, ...] = (AnalysisPlan(),)
    privacy: Privacy = field(default_factory=Privacy)
    celebration: Mapping[str, Any] = field(default_factory=dict)
    brief: Mapping[str, Any] = field(default_factory=dict)
    date_order: str = ""
    exit_is_exclusive: bool = False
    id_width: int = 0
    blank_code: str = ""
    is_sample: bool = False
    no_mentors_yet: bool = False


def read_config(folder: Path) -> Config:
    """The settings of a study folder; defaults where there is no study.toml. Refuses what it does not know."""
    path = Path(folder) / FILE
    if not path.exists():
        return Config(name=Path(folder).resolve().name)
    settings = _parse(path)
    _only_known(settings, SECTIONS, "study.toml")
    study = _section(settings, "study")
    _only_known(study, STUDY_KEYS, "[study]")
    return Config(
        rules=make_rules(_section(settings, "rules"), file=FILE),
        tables=_tables(settings),
        columns=_columns(settings),
        codes=_section(settings, "codes"),
        analyses=_analyses(settings),
        privacy=_privacy(settings),
        celebration=_texts(settings, "celebration", _CELEBRATION),
        brief=_brief(settings),
        **_study(study, Path(folder)),
    )


def _parse(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > 1_000_000:
            raise UserError(
                "The settings file is larger than 1 MB.", file=FILE, remedy="Check that it is a study.toml."
            )
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(
            "The settings file is not UTF-8 text.", file=FILE, remedy="Save it as UTF-8 in your editor."
        ) from None
    except tomllib.TOMLDecodeError as problem:
        line = re.search(r"line (\d+)", str(problem))
        plain = "it holds a key twice" if "overwrite" in str(problem) else "a line cannot be read"
        raise UserError(
            f"study.toml is not valid TOML: {plain}.",
            file=FILE,
            row=line.group(1) if line else None,
            remedy='Text needs double quotes: name = "Riverbend". Dates are written 2026-06-12.',
        ) from None
    except OSError as problem:
        raise UserError(
            f"study.toml cannot be opened: {problem.strerror}.",
            file=FILE,
            remedy="Check that it is a file you may read.",
        ) from None


def _only_known(found: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in found:
        if key not in known:
            near = nearest(key, known)
            raise UserError(
                f'{where} has a key "{key}" that evalkit does not know.',
                file=FILE,
                remedy=f'Did you mean "{near}"?' if near else f"Use one of: {', '.join(known)}.",
            )


def _section(settings: Mapping[str, Any], name: str) -> dict[str, Any]:
    found = settings.get(name, {})
    if not isinstance(found, dict):
        raise UserError(
            f"[{name}] must be a section of its own.",
            file=FILE,
            remedy=f"Write [{name}] on a line, then one key = value on each line below it.",
        )
    return found


def _wrong(where: str, key: str, wanted: str) -> UserError:
    return UserError(f"{where} {key} has a value evalkit cannot use.", file=FILE, remedy=f"Write {wanted}.")


_STUDY_SHAPES: dict[str, tuple[type, str]] = {
    "name": (str, 'a text, such as name = "Riverbend"'),
    "mentor_term": (str, 'a text, such as "success mentor"'),
    "exit_is_exclusive": (bool, "true or false"),
    "is_sample": (bool, "true or false"),
    "no_mentors_yet": (bool, "true or false"),
    "id_width": (int, "a whole number, such as 9"),
}
_STUDY_CHOICES = {"language": LANGUAGES, "date_order": DATE_ORDERS, "blank_code": BLANK_CODES}


def _study(study: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The [study] settings with their shapes checked."""
    settings = {"name": folder.resolve().name, **study}
    for key, value in study.items():
        if key in _STUDY_CHOICES and value not in _STUDY_CHOICES[key]:
            raise _wrong("[study]", key, f"one of: {', '.join(_STUDY_CHOICES[key])}")
        if key in _STUDY_SHAPES and (type(value) is not _STUDY_SHAPES[key][0] or value == ""):
            raise _wrong("[study]", key, _STUDY_SHAPES[key][1])
    if not 0 <= settings.get("id_width", 0) <= 40:
        raise _wrong("[study]", "id_width", "a width between 1 and 40")
    if "school_year" in study:
        settings["school_year"] = parse_school_year(study["school_year"])
    return settings


def parse_school_year(value: Any) -> int:
    """The END year of a school year given as 2026, "2025-26", "2025-2026" or "25/26". Refuses anything else."""
    year = end_year(str(value)) if not isinstance(value, bool) else None
    if year is None:
        raise _wrong("[study]", "school_year", "the year the school year ends in, such as school_year = 2026")
    return year


def end_year(text: str) -> int | None:
    """The end year a text names, or None: "2024-25", "2025", "24/25" and "2024-2025" are all 2025."""
    found = re.fullmatch(r"(?:(\d{4}|\d{2})\s*[-/–]\s*)?(\d{4}|\d{2})(?:\.0)?", text.strip())
    if not found:
        return None
    first, last = found.groups()
    if first is None and len(last) == 2:
        return None
    year = int(last) if len(last) == 4 else 2000 + int(last)
    start = None if first is None else int(first) + (2000 if len(first) == 2 else 0)
    return year if 1990 <= year <= 2100 and (start is None or year - start == 1) else None


def _tables(settings: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    section = _section(settings, "tables")
    _only_known(section, tuple(schema_tables()), "[tables]")
    for name, value in section.items():
        files = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else ()
        if not files or not all(isinstance(file, str) and file for file in files):
            raise _wrong("[tables]", name, 'a file name, or a list of them: ["a.csv", "b.csv"]')
        for file in files:
            if Path(file).is_absolute() or ".." in Path(file).parts:
                raise _wrong("[tables]", name, "a file inside the study folder")
        found[name] = files
    return found


def _columns(settings: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    section = _section(settings, "columns")
    _only_known(section, tuple(schema_tables()), "[columns]")
    for name, mapping in section.items():
        if not isinstance(mapping, dict):
            raise _wrong("[columns]", name, f'a section [columns.{name}] with lines such as student_id = "PERMNUMBER"')
        _only_known(mapping, schema_tables()[name].columns, f"[columns.{name}]")
        for key, value in mapping.items():
            if not isinstance(value, str) or not value.strip():
                raise _wrong(f"[columns.{name}]", key, "the name of the column in your file, in quotes")
    return section


def _analyses(settings: Mapping[str, Any]) -> tuple[AnalysisPlan, ...]:
    blocks = settings.get("analysis", [])
    if not isinstance(blocks, list) or not all(isinstance(block, dict) for block in blocks):
        raise UserError("[analysis] must be written with two brackets.", file=FILE, remedy="Write [[analysis]].")
    plans = tuple(_plan(block) for block in blocks) or (AnalysisPlan(),)
    names = [plan.id for plan in plans]
    if len(set(names)) < len(names):
        raise UserError("Two [[analysis]] blocks share an id.", file=FILE, remedy="Give each block an id of its own.")
    return plans


def _plan(block: Mapping[str, Any]) -> AnalysisPlan:
    defaults = {item.name: getattr(AnalysisPlan(), item.name) for item in fields(AnalysisPlan)}
    _only_known(block, tuple(defaults), "[[analysis]]")
    return AnalysisPlan(**{key: _plan_value(key, value, defaults[key]) for key, value in block.items()})


def _plan_value(key: str, value: Any, default: Any) -> Any:
    """One setting of a plan, checked for type and, where this room knows them, for its choices."""
    where = "[[analysis]]"
    if key in PLAN_CHOICES and value not in PLAN_CHOICES[key]:
        raise _wrong(where, key, f"one of: {', '.join(choice for choice in PLAN_CHOICES[key] if choice)}")
    if key in ("baseline", "follow_up_end"):
        return _plan_date(key, value)
    if key == "caliper":
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise _wrong(where, key, "a number of standard deviations above 0, such as 0.2, or remove the line")
        return float(value)
    if key == "cutoff":
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _wrong(where, key, "the number of the threshold, such as 0.10")
        return float(value)
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
            raise _wrong(where, key, 'a list of column names, such as ["school_id", "grade_level"]')
        return tuple(value)
    if type(value) is not type(default) or value == "":
        raise _wrong(where, key, f"a value like {json.dumps(default or 'main')}")
    if (key == "ratio" and value < 1) or (key == "seed" and value < 0):
        raise _wrong(where, key, "a whole number of 1 or more" if key == "ratio" else "a whole number of 0 or more")
    return value


def _plan_date(key: str, value: Any) -> str:
    if key == "baseline" and value == "landmark":
        return value
    try:
        return dt.date.fromisoformat(value.isoformat() if isinstance(value, dt.date) else str(value)).isoformat()
    except ValueError:
        wanted = '"landmark" or a date such as 2025-10-01' if key == "baseline" else "a date such as 2026-06-12"
        raise _wrong("[[analysis]]", key, wanted) from None


def _privacy(settings: Mapping[str, Any]) -> Privacy:
    section = _section(settings, "privacy")
    _only_known(section, tuple(item.name for item in fields(Privacy)), "[privacy]")
    lowest = {"min_cell": 3, "rounding_base": 1, "protect_width": 1}
    for key, value in section.items():
        if key == "key_file":
            if not isinstance(value, str):
                raise _wrong("[privacy]", key, "the path of a file outside the study, in quotes")
        elif type(value) is not int or value < lowest[key]:
            raise _wrong("[privacy]", key, f"a whole number of {lowest[key]} or more")
    return Privacy(**section)


_CELEBRATION = ("date", "time", "place", "awards")
_BRIEF = ("contact", "funder", "partner_names")
_PARTNER_NAMES = ("partner_names", "partners", "partner")


def _texts(settings: Mapping[str, Any], name: str, known: tuple[str, ...]) -> dict[str, Any]:
    """A section of plain texts, dates, times or lists of texts; dates and times become text."""
    section = _section(settings, name)
    _only_known(section, known, f"[{name}]")
    found: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, dt.date | dt.time):
            value = value.isoformat()[:5] if isinstance(value, dt.time) else value.isoformat()[:10]
        if not isinstance(value, str | list) or (
            isinstance(value, list) and not all(isinstance(v, str) for v in value)
        ):
            raise _wrong(f"[{name}]", key, "a text in quotes, or a list of texts")
        found[key] = tuple(value) if isinstance(value, list) else value
    return found


def _brief(settings: Mapping[str, Any]) -> dict[str, Any]:
    """[brief]: who asks, who pays, who helps; the partners' names under any of three keys, always as a list."""
    found = _texts(settings, "brief", (*_BRIEF, *_PARTNER_NAMES[1:]))
    given = [key for key in _PARTNER_NAMES if key in found]
    if len(given) > 1:
        raise _wrong("[brief]", given[1], "the partners once, under partner_names")
    for names in (found.pop(key) for key in given):
        found["partner_names"] = (names,) if isinstance(names, str) else names
    return found
