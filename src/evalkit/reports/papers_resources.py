"""A resource sheet for each barrier, in English and Spanish: whom to call, and how a call can go. About no student."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from evalkit.patterns.help import STALE_DAYS, open_barriers
from evalkit.render.view import runs
from evalkit.reports.papers_letters import speaks
from evalkit.reports.papers_sheets import cut_text
from evalkit.vocabulary import reason
from evalkit.wording import LANGUAGES, date_words, listed, say

MOST = 6


def barriers_for_sheets(study) -> list[str]:
    """Patterns that get a sheet: every one a resource answers, and every one open for a student now; most named first,
    then by code. Codes the vocabulary does not know are left out."""
    named = open_barriers(study.table("barrier")).groupby("pattern")["student_id"].nunique()
    answered = {p for row in active_resources(study).itertuples() for p in _split(row.patterns)}
    known = [p for p in {*named.index, *answered} if reason(p) is not None]
    return sorted(known, key=lambda pattern: (-int(named.get(pattern, 0)), pattern))


def active_resources(study) -> pd.DataFrame:
    """Resources not marked inactive, in order of their ids."""
    table = study.table("resource")
    return table[table["active"].eq(True).fillna(True).astype(bool)].sort_values("resource_id", ignore_index=True)


def resource_pages(study) -> Mapping[str, list[dict[str, Any]]]:
    """File stem (language and barrier) -> its one page, for every barrier in both languages."""
    return {f"{language}-{pattern}": [resource_page(study, pattern, language)]
            for language in LANGUAGES for pattern in barriers_for_sheets(study)}


def resource_page(study, pattern: str, language: str) -> dict[str, Any]:
    """One barrier's sheet as a page of `papers.typ`; only resources that speak the sheet's language."""
    known = reason(pattern)
    label = (known.label_es if language == "es" else known.label_en) if known else pattern
    rows = [row for row in active_resources(study).itertuples()
            if pattern in _split(row.patterns) and speaks(row.languages, language)][:MOST]
    blocks: list[dict[str, Any]] = [_p(say("resource_sheet.intro", language), "lead"),
                                    _h(say("resource_sheet.who", language))]
    for row in rows:
        facts = _joined(_facts(study, row, language))
        blocks.append({"kind": "wash", "title": runs(_name(row, language)), "items": [facts]})
    if not rows:
        blocks += [_p(say("resource_sheet.none", language)), {"kind": "lines", "label": runs(""), "n": 2}]
    steps = [runs(say(f"resource_sheet.how_{k}", language)) for k in (1, 2, 3)]
    blocks += [_h(say("resource_sheet.how", language)), {"kind": "list", "items": steps}, *_school(study, language)]
    foot = say("resource_sheet.foot", language, study=study.name)
    foot += f" {say('resource_sheet.foot_sample', language)}" if study.config.is_sample else ""
    return {"kind": "packet", "language": language, "mark": "", "band": [], "greeting": [], "blocks": blocks,
            "title": runs(say("resource_sheet.title", language, reason=label)), "head": [runs(study.name)],
            "foot": runs(foot)}


def _name(row: Any, language: str) -> str:
    return cut_text(row.name) if isinstance(row.name, str) else say("resource_sheet.who", language)


def _facts(study, row: Any, language: str) -> list[str]:
    """What a family needs to know of one resource, line by line."""
    found = [f"**{row.contact}**"] if isinstance(row.contact, str) else []
    if isinstance(row.eligibility, str) and row.eligibility.strip():
        found.append(say("resource_sheet.for_whom", language, text=cut_text(row.eligibility)))
    names = [_language(code, language) for code in _split(row.languages)]
    if names:
        found.append(say("resource_sheet.speaks", language, text=listed(names, "y" if language == "es" else "and")))
    if pd.notna(row.capacity):
        found.append(say("resource_sheet.places", language, n=int(row.capacity)))
    is_fresh = pd.notna(row.checked_date) and (study.as_of - row.checked_date).days <= STALE_DAYS
    is_known = is_fresh and row.checked_date <= study.as_of
    when = say("resource_sheet.checked", language, date=date_words(row.checked_date, language)) if is_known else ""
    return [*found, when or ("" if is_fresh else say("resource_sheet.check_again", language))]


def _joined(lines: list[str]) -> list[Any]:
    return runs(" · ".join(line for line in lines if line))


def _language(code: str, language: str) -> str:
    return say(f"resource_sheet.language_{code}", language) if code in LANGUAGES else code


def _split(value: Any) -> list[str]:
    return [part.strip().casefold() for part in value.split(";") if part.strip()] if isinstance(value, str) else []


def _school(study, language: str) -> list[dict[str, Any]]:
    contact = str(study.config.brief.get("contact", "")).strip()
    said = say("resource_sheet.school", language)
    if contact:
        return [_p(f"{said} **{contact}**")]
    return [{"kind": "lines", "label": runs(said), "n": 1}]


def _h(text: str) -> dict[str, Any]:
    return {"kind": "h", "text": runs(text)}


def _p(text: str, tone: str = "body") -> dict[str, Any]:
    return {"kind": "p", "text": runs(text), "tone": tone}


__all__ = ["active_resources", "barriers_for_sheets", "resource_page", "resource_pages"]
