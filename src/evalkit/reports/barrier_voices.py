"""The blocks on what people said: notes confirmed, themes, agreement of coders, who answered the survey."""

from __future__ import annotations

from typing import Any

import pandas as pd

from evalkit.disclosure.free_text import People
from evalkit.patterns.notes import answers_given, precision_of
from evalkit.patterns.voices import agreement_word, coder_agreement, survey_by_band, what_people_said
from evalkit.programme import wilson
from evalkit.render.blocks import Column, Paragraph, Table
from evalkit.reports.gate import Gate
from evalkit.reports.month_patterns import theme_words
from evalkit.reports.rough import is_few
from evalkit.vocabulary import bands
from evalkit.wording import say


def voice_blocks(study: Any, gate: Gate) -> list[Any]:
    """Themes beside the survey's reach; a sentence for what is not there."""
    themes = _themes(study, gate) if "insight" in study.can else None
    survey = _survey(study, gate) if {"survey", "rates"} <= study.can else None
    shown = [block for block in (themes, survey) if block is not None]
    found: list[Any] = list(shown)
    said = gate.fixed(" ".join(_sentences(study, gate)))
    return [*found, Paragraph(said, "note")] if said else found


def _themes(study: Any, gate: Gate) -> Table:
    said = study.table("insight")
    if not gate.is_team:
        people = People(study)
        said = said.loc[[not people.in_code(str(theme)) for theme in said["theme"]]]
    table = gate.table(
        "themes",
        _worded(what_people_said(said)),
        keys=("theme",),
        counts=("n_statements", "works_well", "works_less", "could_do"),
    )
    columns = (
        Column("theme", "Theme"),
        Column("n_statements", "Said", "integer"),
        Column("works_well", "Works well", "integer"),
        Column("works_less", "Works less", "integer"),
        Column("could_do", "Could do", "integer"),
    )
    return Table(
        gate.fixed("What people told us"),
        gate.fixed("Statements by theme, year so far"),
        table,
        columns,
        key="themes",
        most_rows=5,
    )


def _worded(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(theme=table["theme"].map(theme_words)).drop(columns="n_roles")


def _survey(study: Any, gate: Gate) -> Table:
    rows = survey_by_band(study)
    names = {band.band: say(f"band.{band.band}") for band in bands()} | {"all": "All students"}
    frame = rows.assign(band=rows["band"].map(names))[
        ["band", "n_roster", "n_answered", "response", "ci_low", "ci_high", "roster_share", "answered_share"]
    ]
    if not gate.is_team:
        return _survey_for_others(rows, gate)
    table = gate.table(
        "survey_response",
        frame,
        keys=("band",),
        counts=("n_roster", "n_answered"),
        total="All students",
        shares={"response": ("n_answered", "n_roster")},
        plain={
            "ci_low": "n_answered",
            "ci_high": "n_answered",
            "roster_share": "n_roster",
            "answered_share": "n_answered",
        },
    )
    columns = (
        Column("band", "Days missed"),
        Column("n_roster", "Students", "integer"),
        Column("n_answered", "Answered", "integer", share="response"),
        Column("ci_low", "From", "percent"),
        Column("ci_high", "To", "percent"),
        Column("answered_share", "Of answers", "percent"),
        Column("roster_share", "Of students", "percent"),
    )
    return Table(
        gate.fixed("Who answered the survey"),
        gate.fixed("Percent of all students with 95% interval; where the last two differ, some are heard less"),
        table,
        columns,
        note="" if gate.is_team else gate.fixed(table.rule),
        total_row=True,
        key="survey_response",
    )


def _survey_for_others(rows: pd.DataFrame, gate: Gate) -> Table:
    """Whole percents and answers to the nearest ten: how many students each band holds stands in the review, where a
    small band is hidden. 20 % or more is one row."""
    rows = _joined(rows)
    few = [is_few(gate, n, of) for n, of in zip(rows["n_answered"], rows["n_roster"], strict=True)]
    ends = [wilson(int(n), int(of)) for n, of in zip(rows["n_answered"], rows["n_roster"], strict=True)]
    figures = {"response": (rows["n_answered"] / rows["n_roster"]).round(2), "ci_low": [round(a, 2) for a, _ in ends],
               "ci_high": [round(b, 2) for _, b in ends]}
    frame = rows[["band", "n_answered"]].assign(**figures)
    table = gate.table("survey_response", frame, keys=("band",), counts=("n_answered",),
                       plain=dict.fromkeys(figures, "n_answered"), about=("n_answered",),
                       also={row: ("n_answered", *figures) for row, hidden in enumerate(few) if hidden})
    columns = (Column("band", "Days missed"), Column("n_answered", "Answered", "integer"),
               Column("response", "Share", "percent"), Column("ci_low", "From", "percent"),
               Column("ci_high", "To", "percent"))
    return Table(gate.fixed("Who answered the survey"), gate.fixed("Percent of all students with 95% interval"), table,
                 columns, note=gate.fixed(table.rule), total_row=True, key="survey_response")


def _joined(rows: pd.DataFrame) -> pd.DataFrame:
    """Students and answers by band, severe and extreme in one row. Grain: band in words, all students last."""
    names = {band.band: say(f"band.{band.band}") for band in bands()} | {"all": "All students"}
    names |= dict.fromkeys(("severe", "extreme"), "20% or more")
    return rows.assign(band=rows["band"].map(names)).groupby("band", sort=False, as_index=False)[
        ["n_roster", "n_answered"]].sum()


def _sentences(study: Any, gate: Gate) -> list[str]:
    """Agreement of coders and precision of notes, or what would make them known."""
    found: list[str] = [gate.fixed(text) for text in study.lacks("insight", "survey")]
    if gate.is_team:
        found += _agreement(study, gate) if "insight" in study.can else []
        found.append(_precision(study, gate))
    return found


def _agreement(study: Any, gate: Gate) -> list[str]:
    rows = coder_agreement(study.table("insight"))
    if rows.empty:
        return [
            gate.fixed(
                "Whether two coders agree is not known: let two people code the same ten statements or more "
                "(same date, source_role and quote)."
            )
        ]
    return [
        gate.text(
            "Two coders on {field}: kappa {kappa} (between {low} and {high}) on {n} statements, {word}.",
            words={"field": row.field, "word": agreement_word(row.kappa)},
            kappa=(f"{row.kappa:.2f}", row.n),
            low=(f"{row.ci_low:.2f}", row.n),
            high=(f"{row.ci_high:.2f}", row.n),
            n=(row.n, row.n),
        )
        for row in rows.itertuples()
    ]


def _precision(study: Any, gate: Gate) -> str:
    answers = precision_of(answers_given(study))
    judged, yes = int(answers["n_judged"].sum()), int(answers["n_yes"].sum())
    if not judged:
        return gate.fixed(
            "Notes only propose barriers: see tables/reason_proposals.csv. Fill in yes or no and save it as "
            "notes/reason_confirmed.csv in the study folder. None is confirmed yet."
        )
    return gate.text(
        "Notes: a person said yes to {yes} of {judged} proposals judged so far.", yes=(yes, None), judged=(judged, None)
    )
