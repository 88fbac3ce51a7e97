"""What every report can be asked for: the base of each report's `Params`, checked before anything is read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from typing import TYPE_CHECKING, Any, ClassVar

from evalkit.errors import UsageError, must_be_one_of, nearest
from evalkit.files import safe_name

if TYPE_CHECKING:
    from evalkit.render.blocks import Context
    from evalkit.rules import Rules
    from evalkit.study import Study

AUDIENCES = ("team", "partner", "public")
_TYPES: dict[str, type] = {"str": str, "int": int, "float": float, "bool": bool}


@dataclass(frozen=True)
class Params:
    """The questions every report answers to. A report's own Params adds fields of type str, int, float or bool.

    `ids` names the fields that hold an id (a number there is refused: its zeros are lost); `choices` the values a field
    may take. Every problem is a UsageError (exit 2) in one sentence.
    """

    study: str = "data/sample"
    month: str = ""
    as_of: str = ""
    school: str = ""
    audience: str = "team"
    out: str = ""

    ids: ClassVar[tuple[str, ...]] = ("school",)
    choices: ClassVar[Mapping[str, Sequence[Any]]] = {}

    def __post_init__(self) -> None:
        for field in fields(self):
            kind = str(getattr(field.type, "__name__", field.type))
            check_type(field.name, getattr(self, field.name), kind, is_id=field.name in self.ids)
        check_form(month=self.month, as_of=self.as_of, audience=self.audience)
        for name, allowed in self.choices.items():
            must_be_one_of(name, getattr(self, name), tuple(allowed))


def check_type(name: str, value: Any, kind: str, *, is_id: bool = False) -> None:
    """Refuse a parameter whose value is not of the type its notebook states."""
    wanted = _TYPES.get(kind, str)
    if is_id and not isinstance(value, str):
        raise UsageError(f"{name} was given as a number, so the zeros an id may begin with are lost.",
                         remedy=f'Give ids as text: papermill -r {name} 0001 (not -p), or {name} = "0001" in the cell.')
    right = isinstance(value, wanted) and isinstance(value, bool) == (wanted is bool)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return
    if not right:
        raise UsageError(f"{name} must be {_WORDS[wanted]}.", remedy=f"Change {name} and run again.")


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False"}


def check_form(*, month: str = "", as_of: str = "", audience: str = "team") -> None:
    """Refuse a month, date or audience that cannot be one."""
    must_be_one_of("audience", audience, AUDIENCES)
    if month and not (re.fullmatch(r"\d{4}-\d{2}", month) and 1 <= int(month[5:]) <= 12 and int(month[:4]) > 0):
        raise UsageError("month is not a month evalkit can read.", remedy="Write it as YYYY-MM, for example 2026-01.")
    if as_of and not _is_date(as_of):
        raise UsageError("as_of is not a date evalkit can read.",
                         remedy="Write it as YYYY-MM-DD, for example 2026-01-30.")
    if month and as_of:
        raise UsageError("month and as_of were both given.", remedy="Give one of them: a month is its last school day.")


def _is_date(text: str) -> bool:
    try:
        return bool(re.fullmatch(r"\d{4}-\d{2}-\d{2}", text)) and date.fromisoformat(text) is not None
    except ValueError:
        return False


def unknown_parameter(name: str, known: Sequence[str], *, report: str) -> UsageError:
    """The refusal of a parameter the report does not have, with the nearest it has."""
    near = nearest(name, known)
    hint = f'Did you mean "{near}"? ' if near else ""
    shown = name if re.fullmatch(r"\w{1,40}", name) else "given"
    return UsageError(f'The report {report} has no parameter "{shown}".',
                      remedy=f"{hint}It has: {', '.join(known)}.")


def folder_of(*, study_name: str, report: str, period: str, school: str = "", audience: str = "team") -> str:
    """The run's folder below `out`: <study>/<period>/<report>[-<school>][-partner|-public]."""
    parts = [report, safe_name(school) if school else "", audience if audience != "team" else ""]
    return "/".join((safe_name(study_name), period, "-".join(part for part in parts if part)))


def definitions_line(rules: Rules) -> str:
    """The definition in force, one line for the footer."""
    share = f"{100 * rules.threshold:g}%"
    edge = f"{share} or more" if rules.inclusive else f"more than {share}"
    least = f", with at least {rules.min_days_enrolled} days enrolled" if rules.min_days_enrolled else ""
    return f"**Missed {edge}** (chronic absence): days missed for any reason, out of the days enrolled{least}."


def make_context(study: Study, params: Params, report_title: str) -> Context:
    """What every page of this run shares, from the study and the report's Params."""
    from evalkit.render.blocks import Context
    from evalkit.reports.gate import account_for

    account, inputs = account_for(study, params.audience)
    report = type(params).__module__.rsplit(".", 1)[-1]
    as_of = f"{study.as_of:%Y-%m-%d}"
    period = params.month or as_of
    return Context(
        report=report, report_title=report_title, study=study.name, program=_program(study.config.mentor_term),
        audience=params.audience, as_of=as_of, period=period,
        last_day=f"{max(study.complete_through.values(), default=study.as_of):%Y-%m-%d}",
        school=study.school_name(params.school) if params.school else "", language=study.config.language or "en",
        is_sample=study.config.is_sample, definitions=definitions_line(study.rules), rules=study.rules.to_dict(),
        inputs=inputs, row_account=account,
        seed=next((plan.seed for plan in study.config.analyses), 0), folder=study.folder.resolve().name,
        set_aside=study.account if params.audience == "team" else None)


def _program(mentor_term: str) -> str:
    """The programme's name in the masthead: the study's own word for a mentor, in the plural."""
    term = mentor_term.strip()
    return f"{term[:1].upper()}{term[1:]}" + ("" if term.endswith("s") else "s")
