"""Blocks as plain records, ready to be set: the one reading of a block that html and pdf share."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import pandas as pd

from evalkit import tables
from evalkit.disclosure.release import NEAREST_TEN
from evalkit.disclosure.types import Released, is_withheld
from evalkit.figures.canvas import covers, text_width
from evalkit.render import blocks as b
from evalkit.render.theme import page_footer, words

View = dict[str, Any]
_GOOD, _OPEN = ("done", "hecho", "closed", "pass"), ("open", "abierto", "late", "waiting", "caution", "fail")
PHONE, FIRST_ON_PHONE, BESIDE = 207, 52, 6
"""Room for a table on a phone, what its first column needs at least, and the gap between columns, in pt at table size
(358 px, 90 px and 10 px of text of 14 px)."""


def said_as(text: object) -> str:
    """`text` cleaned, with the apostrophes and quotation marks of print."""
    known = re.sub(r"(?<=\w)'(?=[\w\s.,;:)]|$)", "\N{RIGHT SINGLE QUOTATION MARK}", tables.plain(text))
    return re.sub(r'"([^"\n]*)"', "\N{LEFT DOUBLE QUOTATION MARK}\\1\N{RIGHT DOUBLE QUOTATION MARK}", known)


def runs(text: str) -> list[View]:
    """`text` in pieces of {t, b(old), f(allback font)}; a word with a letter outside the font is whole in another."""
    found = []
    for i, part in enumerate(re.split(r"\*\*(.+?)\*\*", said_as(text))):
        if part:
            found += [{"t": piece, "b": i % 2 == 1, "f": not covers(piece)} for piece in _by_font(part)]
    return found


def _by_font(text: str) -> list[str]:
    if covers(text) or (len(text) <= 40 and not re.search(r"[.;:?!]\s", text)):
        return [text]
    pieces: list[str] = []
    for word in re.split(r"(?<=\s)", text):
        if pieces and covers(pieces[-1]) == covers(word):
            pieces[-1] += word
        else:
            pieces.append(word)
    return pieces


class Levels:
    """Heading levels that never skip one: a block asks for a level and gets it, or the next below the last."""

    def __init__(self, last: int) -> None:
        self.last = last

    def __call__(self, wanted: int) -> int:
        self.last = min(wanted, self.last + 1)
        return self.last


class Setting:
    """What a block needs to know to be set: words, base level, levels so far, and names already used on the page."""

    def __init__(self, context: b.Context, *, base: int, names: dict[str, int] | None = None) -> None:
        self.context, self.base = context, base
        self.words, self.language = words(context.language), context.language
        self.levels, self.names = Levels(base - 1), names if names is not None else {}

    def level(self, extra: int = 0) -> int:
        return self.levels(self.base + extra)

    def name(self, text: str) -> str:
        """`text`, with a number added when another region of the page bears the same name."""
        text = said_as(text).replace("**", "").strip() or "table"
        self.names[text] = self.names.get(text, 0) + 1
        return text if self.names[text] == 1 else f"{text} ({self.names[text]})"

    def told_once(self, note: str, data: Any) -> str:
        """`note` without what a table above has told of hidden cells, sentence by sentence; the footer tells it too."""
        rule = data.rule if isinstance(data, Released) else ""
        if not rule or rule not in note:
            return note
        fresh = [sentence for sentence in rule_sentences(rule) if sentence == NEAREST_TEN or sentence not in self.names]
        self.names |= dict.fromkeys(rule_sentences(rule), 1)
        return " ".join(note.replace(rule, " ".join(fresh)).split())


def rule_sentences(rule: str) -> list[str]:
    """The sentences of a table's rule of hidden cells."""
    return re.split(r"(?<=\.)\s+", rule)


def section_view(section: b.Section, names: dict[str, int] | None = None, *, top: bool = False) -> View:
    """A section as a record; `top` makes the first section's title the page's h1 though it is no opening."""
    opening = section.is_opening or top
    setting = Setting(section.context, base=2 if opening else 3, names=names)
    return {"key": re.sub(r"[^a-z0-9-]+", "-", section.key.lower()), "title": runs(section.title),
            "lead": runs(section.lead), "opening": opening, "starts_page": section.starts_page,
            "festive": section.context.report == "celebration" and opening,
            "blocks": [block_view(block, setting) for block in section.blocks],
            "off": [runs(text) for text in section.off], "words": setting.words}


def page_view(sections: Iterable[b.Section]) -> View:
    """A whole page: masthead, sections, footer. A section that this audience has nothing of is left out."""
    sections = list(sections)
    context = sections[0].context
    names: dict[str, int] = {}
    said = words(context.language)
    title = context.report_title + (f", {context.school}" if context.school else "")
    sections = [one for i, one in enumerate(sections) if i == 0 or one.blocks or one.lead or one.off]
    views = [section_view(section, names, top=i == 0) for i, section in enumerate(sections)]
    return {
        "language": context.language,
        "study": said_as(context.study),
        "program": said_as(context.program),
        "report_title": said_as(title),
        "audience": context.audience,
        "audience_words": said[context.audience],
        "is_sample": context.is_sample,
        "words": said,
        "sections": views,
        "footer": page_footer(context),
        "foot": _foot(context, sections, said),
        "festive": context.report == "celebration",
        "fallback": any(not covers(text) for text in _texts(views)),
    }


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
    elif isinstance(value, str) and not value.startswith("<svg"):
        yield value


def _foot(context: b.Context, sections: list[b.Section], said: dict[str, str]) -> list[list[list[View]]]:
    """The footer's lines in two columns of about equal length."""
    language = context.language
    first = f"**{said['as_of']}** {tables.long_date(context.as_of, language)}."
    if context.last_day:
        first += f" {said['last_day']}: {tables.long_date(context.last_day, language)}."
    first += f" **{said['audience']}:** {said[context.audience + '_name']}."
    lines = [first, *(line for line in context.definitions.split("\n") if line.strip())]
    lines += _rules(sections, said["hidden"])
    whole, cut, so_far = sum(map(len, lines)), len(lines), 0
    for i, line in enumerate(lines):
        so_far += len(line)
        if 2 * so_far >= whole:
            cut = i + 1
            break
    return [[runs(line) for line in part] for part in (lines[:cut], lines[cut:])]


def _rules(sections: list[b.Section], word: str) -> list[str]:
    """What is hidden and rounded on the page, in one line: each sentence once, what is true of one table left to it."""
    told = dict.fromkeys(sentence for section in sections for data in _shown_data(section)
                         if isinstance(data, Released) and bool(data.hidden.to_numpy().any())
                         for sentence in rule_sentences(data.rule) if sentence != NEAREST_TEN)
    stands = [sentence for sentence in told if '"hidden"' in sentence]
    others = [sentence for sentence in told if sentence not in stands and not (stands and sentence[:8] == "Withheld")]
    text = " ".join([*stands[:1], *others]).replace('"hidden"', f"**{word}**")
    return [text if stands else f"**{word}**: {text.removeprefix('Withheld: ')}"] if text else []


def _shown_data(section: b.Section) -> Iterable[Any]:
    return (block.data for block in section.walk() if isinstance(block, b.Table | b.Figure))


def block_view(block: Any, setting: Setting) -> View:
    """One block as a record with its `kind`."""
    maker = _MAKERS.get(type(block))
    if maker is None:
        raise TypeError(f"A page cannot show a {type(block).__name__}.")
    return {"kind": type(block).__name__.lower(), **maker(block, setting)}


def _title(text: str, setting: Setting) -> View:
    return {"title": runs(text), "level": setting.level() if text else 0}


def _tiles(block: b.Tiles, setting: Setting) -> View:
    items = [{"label": runs(t.label), "value": said_as(t.value), "note": runs(t.note), "words": len(t.value) > 9,
              "hidden": t.value == "hidden"} for t in block.items]
    return {"items": items, "n": min(len(items), 4)}


def _figure(block: b.Figure, setting: Setting) -> View:
    if is_withheld(block.data):
        return _in_place(block, setting)
    view = _title(block.title, setting)
    name = setting.name(f"{said_as(block.title)} ({setting.words['data_of']})")
    behind = table_view(block.data, block.columns, setting) | {"title": runs(block.title), "measure": [], "name": name}
    widths = sorted(block.drawing.svgs)
    note = runs(setting.told_once(block.note, block.data))
    if isinstance(block.data, Released) and NEAREST_TEN in block.data.rule and NEAREST_TEN not in block.note:
        behind["note"] = runs(NEAREST_TEN)
    return view | {"measure": runs(block.measure), "alt": said_as(block.alt), "note": note,
                   "svgs": [{"width": w, "svg": block.drawing.svgs[w]} for w in widths], "table": behind,
                   "set": "third" if max(widths) <= 330 else "full"}


def _in_place(block: b.Table | b.Figure, setting: Setting) -> View:
    """One sentence in place of a table or figure that shows no number: its labels alone could point to a student."""
    return _title(block.title, setting) | {"kind": "callout", "headline": "", "tone": "caution",
                                           "text": [runs(setting.words["withheld"])]}


def _table(block: b.Table, setting: Setting) -> View:
    if is_withheld(block.data):
        return _in_place(block, setting)
    view = table_view(block.data, block.columns, setting, total_row=block.total_row, most_rows=block.most_rows)
    view, folded = _without_hidden_columns(view, setting)
    shown = setting.words["shown"].format(n=view["n_shown"], all=view["n_rows"]) if view["cut"] else ""
    if shown and setting.context.audience == b.TEAM:
        shown += " " + setting.words["workbook"]
    note = setting.told_once(block.note, block.data)
    return view | {"title": runs(block.title), "measure": runs(block.measure), "name": setting.name(block.title),
                   "note": runs(" ".join(part for part in (shown, folded, note) if part))}


def table_view(data: Released | pd.DataFrame, columns: tuple[b.Column, ...], setting: Setting, *,
               total_row: bool = False, most_rows: int = 0) -> View:
    """Heads and rows of a table; a hidden cell is marked, never blank."""
    frame = data.frame if isinstance(data, Released) else data
    hidden = data.hidden if isinstance(data, Released) else None
    n_rows = len(frame) - total_row
    n_shown = min(n_rows, most_rows) if most_rows else n_rows
    picked = [*range(n_shown), *([len(frame) - 1] if total_row and len(frame) else [])]
    rows = [{"total": total_row and i == len(frame) - 1,
             "cells": [_cell(frame, hidden, i, column, setting) for column in columns]} for i in picked]
    heads = [{"label": said_as(c.label), "unit": said_as(c.unit or tables.default_unit(c.kind)),
              "numeric": tables.is_numeric(c.kind)} for c in columns]
    wordy = [c for c in heads[1:] if not c["numeric"]]
    return {
        "heads": heads,
        "rows": rows,
        "natural": _natural(heads, rows),
        "stack": len(heads) > 2 and (bool(wordy) or _is_wide(heads, rows)),
        "n_rows": n_rows,
        "n_shown": n_shown,
        "cut": n_shown < n_rows,
        "title": [],
        "measure": [],
        "note": [],
        "name": "",
        "words": setting.words,
    }


def _without_hidden_columns(view: View, setting: Setting) -> tuple[View, str]:
    """The table without the columns that hide every cell, and the sentence that names them."""
    gone = [j for j in range(1, len(view["heads"]))
            if view["rows"] and all(row["cells"][j]["hidden"] for row in view["rows"])]
    if not gone:
        return view, ""
    kept = [j for j in range(len(view["heads"])) if j not in gone]
    heads = [view["heads"][j] for j in kept]
    rows = [row | {"cells": [row["cells"][j] for j in kept]} for row in view["rows"]]
    names = ", ".join(dict.fromkeys(view["heads"][j]["label"] for j in gone))
    said = setting.words["hidden_throughout"].format(columns=names)
    return view | {"heads": heads, "rows": rows, "natural": _natural(heads, rows)}, said


def _is_wide(heads: list[View], rows: list[View]) -> bool:
    """Whether a phone (390 px) is too narrow for the columns side by side; the first may wrap its words."""
    first, *others = _natural(heads, rows)
    return min(first, FIRST_ON_PHONE) + sum(width + BESIDE for width in others) > PHONE


def _natural(heads: list[View], rows: list[View]) -> list[float]:
    """The width in pt that each column's longest cell asks for at table size; a head may wrap between its words.

    A short unit ("% done") stands on one line.
    """
    found = []
    for j, head in enumerate(heads):
        unit = head["unit"]
        asked = [_two_lines(head["label"])]
        asked += [_table_width(word, 400) for word in ([unit] if len(unit) <= 12 else unit.split())]
        cells = [row["cells"][j] for row in rows]
        asked += [_table_width(c["text"], 600 if j == 0 else 400) + 7 * c["hidden"] for c in cells]
        found.append(round(max(asked), 1))
    return found


def _two_lines(label: str) -> float:
    """The least width at which a head needs at most two lines."""
    words = label.split() or [""]
    cuts = [(" ".join(words[:i]), " ".join(words[i:])) for i in range(1, len(words) + 1)]
    return min(max(_table_width(part, 600) for part in cut) for cut in cuts)


def _table_width(text: str, weight: int) -> float:
    """Width in pt at table size, where digits are tabular: 0.7 em each, point and comma 0.3 em (the font's `tnum`)."""
    letters = re.sub(r"[0-9.,]", "", text)
    digits = sum(c in "0123456789" for c in text)
    return text_width(letters, 8.1, weight) + 8.1 * (0.7 * digits + 0.3 * (len(text) - len(letters) - digits))


def _cell(frame: pd.DataFrame, hidden: pd.DataFrame | None, i: int, column: b.Column, setting: Setting) -> View:
    is_hidden = hidden is not None and column.key in hidden.columns and bool(hidden[column.key].iloc[i])
    text = (
        setting.words["hidden"] if is_hidden else tables.cell(frame[column.key].iloc[i], column.kind, setting.language)
    )
    if column.share and not is_hidden and not (hidden is not None and bool(hidden[column.share].iloc[i])):
        text += f" ({tables.percent(frame[column.share].iloc[i])})"
    first = text.split(" ")[0].strip(".,:").lower()
    tone = ("done" if first in _GOOD else "open" if first in _OPEN else "") if column.kind == "status" else ""
    return {"text": text, "hidden": is_hidden, "numeric": tables.is_numeric(column.kind), "tone": tone,
            "fallback": not covers(text)}


def _row(block: b.Row, setting: Setting) -> View:
    if len(block.cells) != len(block.widths) or sum(block.widths) != 12:
        raise ValueError("A Row needs one width per cell, adding up to 12.")
    return {"cells": [{"width": width, "blocks": [block_view(inner, setting) for inner in cell]}
                      for width, cell in zip(block.widths, block.cells, strict=True)]}


_MAKERS: dict[type, Callable[[Any, Setting], View]] = {
    b.Paragraph: lambda block, setting: {"text": runs(block.text), "tone": block.tone},
    b.Heading: lambda block, setting: {"text": runs(block.text), "level": setting.level(max(0, block.level - 3))},
    b.Tiles: _tiles,
    b.Table: _table,
    b.Figure: _figure,
    b.Callout: lambda block, setting: (
        _title(block.title, setting)
        | {"headline": said_as(block.headline), "text": [runs(text) for text in block.text], "tone": block.tone}
    ),
    b.BigNumber: lambda block, setting: {
        "label": said_as(block.label),
        "value": said_as(block.value),
        "unit": said_as(block.unit),
        "interval": said_as(block.interval),
        "also": [[said_as(k), said_as(v)] for k, v in block.also],
    },
    b.CountList: lambda block, setting: (
        _title(block.title, setting)
        | {"items": [{"count": said_as(count), "text": runs(text)} for count, text in block.items]}
    ),
    b.BulletList: lambda block, setting: (
        _title(block.title, setting) | {"items": [runs(text) for text in block.items], "style": block.style}
    ),
    b.FormLines: lambda block, setting: (
        _title(block.title, setting) | {"labels": [said_as(label) for label in block.labels]}
    ),
    b.FormTable: lambda block, setting: {
        "title": runs(block.title),
        "heads": [said_as(head) for head in block.heads],
        "n_rows": block.n_rows,
        "name": setting.name(block.title),
    },
    b.Quote: lambda block, setting: {
        "text": runs(block.text),
        "role": said_as(block.role),
        "words": setting.words,
    },
    b.EventBox: lambda block, setting: {
        "level": setting.level(),
        "day": said_as(block.day),
        "time": said_as(block.time),
        "place": said_as(block.place),
        "note": runs(block.note),
        "words": setting.words,
    },
    b.Row: _row,
}
