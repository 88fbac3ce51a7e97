"""The programme's words as rows a coordinator can edit: grades, bands, activities, day types, absence reasons, codes.

Each list is a csv file of this folder with one reader here. A bad edit is refused with its file and line.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as package_files

from evalkit.errors import UserError

CERTAINTIES = ("high", "medium", "low")
STATUS_WORDS = frozenset(
    ["late_after_register", "excused_only", "unexcused_only", "not_expected", "present_iss", "tardy", "tardy_extreme"]
)
"""What a code of a code system may say that is no reason."""
_YES_NO = {"yes": True, "no": False}


@dataclass(frozen=True)
class Row:
    """One line of a vocabulary file."""

    file: str
    line: int
    values: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.values[column]

    def refuse(self, column: str, remedy: str) -> UserError:
        return UserError(
            "A row of the vocabulary cannot be used.", file=self.file, row=self.line, column=column, remedy=remedy
        )

    def yes(self, column: str) -> bool:
        if self[column] not in _YES_NO:
            raise self.refuse(column, "Write yes or no.")
        return _YES_NO[self[column]]

    def whole(self, column: str) -> int:
        try:
            return int(self[column])
        except ValueError:
            raise self.refuse(column, "Write a whole number.") from None

    def several(self, column: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self[column].split(";") if part.strip())


def plain(text: str) -> str:
    """A word made comparable: NFKC, case folded, accents kept, everything but letters, digits and - dropped."""
    folded = re.sub(r"^\s*(-?\d+)\.0+\s*$", r"\1", unicodedata.normalize("NFKC", text).casefold())
    return re.sub(r"[\W_]+", "", folded) if not re.fullmatch(r"\s*-?\d+\s*", folded) else folded.strip()


def read_rows(
    text: str, columns: tuple[str, ...], *, file: str, key: tuple[str, ...], may_be_blank: tuple[str, ...] = ()
) -> Iterator[Row]:
    """The rows of one vocabulary text; head, blanks, ragged and repeated lines are refused with the line."""
    lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    seen: dict[tuple[str, ...], int] = {}
    try:
        for cells in lines:
            row = _checked(cells, columns, lines.line_num, file, may_be_blank)
            if row is None:
                continue
            name = tuple(row[column] for column in key)
            if name in seen:
                raise row.refuse(key[0], f"Line {seen[name]} says the same: keep one of the two.")
            seen[name] = row.line
            yield row
    except csv.Error:
        raise UserError(
            "A line of the vocabulary is not csv.",
            file=file,
            row=lines.line_num,
            remedy="Close every double quote that was opened.",
        ) from None


def _checked(
    cells: list[str], columns: tuple[str, ...], line: int, file: str, may_be_blank: tuple[str, ...]
) -> Row | None:
    if line == 1:
        if tuple(cells) != columns:
            raise UserError(
                "The first line of a vocabulary file was changed.",
                file=file,
                row=1,
                remedy=f"It must read: {','.join(columns)}",
            )
        return None
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) != len(columns):
        raise UserError(
            "A line of the vocabulary has too many or too few cells.",
            file=file,
            row=line,
            remedy=f"Write {len(columns)} cells: {', '.join(columns)}. Quote a cell that holds a comma.",
        )
    row = Row(file, line, {column: cell.strip() for column, cell in zip(columns, cells, strict=True)})
    for column in columns:
        if not row[column] and column not in may_be_blank:
            raise row.refuse(column, "Fill in the cell or remove the line.")
    return row


def rows_of_file(name: str, columns: str, key: str, may_be_blank: str = "") -> tuple[Row, ...]:
    text = (package_files("evalkit.vocabulary") / name).read_text(encoding="utf-8")
    return tuple(
        read_rows(
            text,
            tuple(columns.split(",")),
            file=f"vocabulary/{name}",
            key=tuple(key.split(",")),
            may_be_blank=tuple(may_be_blank.split(",")),
        )
    )


@dataclass(frozen=True)
class Grade:
    grade_level: str
    order: int
    label: str


@cache
def grades() -> tuple[Grade, ...]:
    """Every grade in order, from infants to ungraded."""
    return tuple(Grade(row["grade_level"], row.whole("order"), row["label"]) for row in _grade_rows())


@cache
def _grade_rows() -> tuple[Row, ...]:
    return rows_of_file("grades.csv", "grade_level,order,label,aliases", "grade_level", "aliases")


def grade_order() -> dict[str, int]:
    """grade_level -> its place, for sorting."""
    return {grade.grade_level: grade.order for grade in grades()}


def grade_label(code: str) -> str:
    """The grade as a reader says it ("Grade 3"); an unknown code as it is."""
    return {grade.grade_level: grade.label for grade in grades()}.get(code, code)


@dataclass(frozen=True)
class Band:
    band: str
    order: int
    label: str
    is_chronic: bool


@cache
def bands() -> tuple[Band, ...]:
    """The five attendance bands, mildest first; their edges are `Rules.bands`."""
    rows = rows_of_file("bands.csv", "band,order,label,is_chronic,meaning", "band")
    found = tuple(Band(row["band"], row.whole("order"), row["label"], row.yes("is_chronic")) for row in rows)
    if [band.order for band in found] != list(range(1, len(found) + 1)):
        raise UserError(
            "The bands must be numbered 1, 2, 3 ... from the mildest.",
            file="vocabulary/bands.csv",
            column="order",
            remedy="Renumber the rows so that the bands cover the whole range.",
        )
    return found


@dataclass(frozen=True)
class Activity:
    activity: str
    letter: str
    label: str
    short: str
    has_student: bool


@cache
def activities() -> tuple[Activity, ...]:
    """What mentors do, a to h."""
    rows = rows_of_file("activities.csv", "activity,letter,label,short,has_student", "activity")
    return tuple(Activity(r["activity"], r["letter"], r["label"], r["short"], r.yes("has_student")) for r in rows)


@dataclass(frozen=True)
class DayType:
    day_type: str
    is_instructional: bool
    label: str


@cache
def day_types() -> tuple[DayType, ...]:
    """Kinds of calendar days, school days first."""
    return tuple(DayType(r["day_type"], r.yes("is_instructional"), r["label"]) for r in _day_type_rows())


@cache
def _day_type_rows() -> tuple[Row, ...]:
    return rows_of_file("day_types.csv", "day_type,is_instructional,label,aliases", "day_type", "aliases")


@dataclass(frozen=True)
class Category:
    category: str
    label_en: str
    label_es: str
    text: str
    aliases: tuple[str, ...]


@cache
def categories() -> tuple[Category, ...]:
    """The four groups of reasons, and the three that are kept apart from them."""
    rows = rows_of_file("absence_categories.csv", "category,label_en,label_es,text,aliases", "category", "aliases")
    return tuple(Category(r["category"], r["label_en"], r["label_es"], r["text"], r.several("aliases")) for r in rows)


@dataclass(frozen=True)
class Reason:
    """One barrier or reason (`pattern`), its category and how sure a code or word makes it."""

    pattern: str
    category: str
    label_en: str
    label_es: str
    certainty: str
    sensitive: bool
    ceds: str
    england: str
    aliases: tuple[str, ...]
    note: str


@cache
def reasons() -> tuple[Reason, ...]:
    """Every absence reason of the taxonomy."""
    columns = "pattern,category,label_en,label_es,certainty,sensitive,ceds,england,aliases,note"
    known = {category.category for category in categories()}
    found = []
    for row in rows_of_file("absence_reasons.csv", columns, "pattern", "ceds,england,aliases,note"):
        if row["category"] not in known:
            raise row.refuse("category", f"Use one of: {', '.join(sorted(known))}.")
        if row["certainty"] not in CERTAINTIES:
            raise row.refuse("certainty", f"Use one of: {', '.join(CERTAINTIES)}.")
        found.append(
            Reason(
                row["pattern"],
                row["category"],
                row["label_en"],
                row["label_es"],
                row["certainty"],
                row.yes("sensitive"),
                row["ceds"],
                row["england"],
                row.several("aliases"),
                row["note"],
            )
        )
    return tuple(found)


def reason(pattern: str) -> Reason | None:
    """The reason of this code, or None."""
    return _reasons_by_code().get(pattern)


@cache
def _reasons_by_code() -> dict[str, Reason]:
    return {item.pattern: item for item in reasons()}


DOMAINS = ("academic", "social_emotional_behavioral", "physical_health", "family")
"""The four domains of City Connects (seed 004)."""


@cache
def need_domains() -> dict[str, str]:
    """pattern -> the domain in which help is to be found; a reason that is not known has none."""
    found = {}
    for row in rows_of_file("need_domains.csv", "pattern,domain", "pattern"):
        if row["pattern"] not in _reasons_by_code():
            raise row.refuse("pattern", "Use a pattern of absence_reasons.csv.")
        if row["domain"] not in DOMAINS:
            raise row.refuse("domain", f"Use one of: {', '.join(DOMAINS)}.")
        found[row["pattern"]] = row["domain"]
    return found


@dataclass(frozen=True)
class Phrase:
    """Words that may name a reason; an ambiguous short word needs a second cue."""

    pattern: str
    language: str
    phrase: str
    needs_second_cue: bool


@cache
def reason_words(language: str = "") -> tuple[Phrase, ...]:
    """The word list of a language ("en", "es"), or of all, in the file's order."""
    found = []
    for row in rows_of_file("reason_words.csv", "pattern,language,phrase,needs_second_cue", "pattern,language,phrase"):
        if row["pattern"] not in _reasons_by_code():
            raise row.refuse("pattern", "Use a pattern of absence_reasons.csv.")
        if row["language"] not in ("en", "es"):
            raise row.refuse("language", "Use en or es.")
        if not plain(row["phrase"]):
            raise row.refuse("phrase", "Write at least one word.")
        found.append(Phrase(row["pattern"], row["language"], row["phrase"], row.yes("needs_second_cue")))
    return tuple(phrase for phrase in found if language in ("", phrase.language))


@dataclass(frozen=True)
class Context:
    """Words beside a reason's words. kind: second_cue (settles an ambiguous word of this pattern), lack (not having it
    is the reason), not_about (its clause tells no absence), other_person (the illness is somebody else's)."""

    kind: str
    pattern: str
    language: str
    phrase: str


@cache
def reason_contexts(language: str = "") -> tuple[Context, ...]:
    """reason_context.csv of a language ("en", "es"), or of all, in the file's order."""
    found = []
    columns = "kind,pattern,language,phrase"
    for row in rows_of_file("reason_context.csv", columns, columns, "pattern"):
        if row["kind"] not in ("second_cue", "lack", "not_about", "other_person"):
            raise row.refuse("kind", "Use second_cue, lack, not_about or other_person.")
        if row["kind"] in ("second_cue", "lack") and row["pattern"] not in _reasons_by_code():
            raise row.refuse("pattern", "Use a pattern of absence_reasons.csv.")
        if row["language"] not in ("en", "es"):
            raise row.refuse("language", "Use en or es.")
        found.append(Context(row["kind"], row["pattern"], row["language"], row["phrase"]))
    return tuple(item for item in found if language in ("", item.language))


@cache
def absence_codes(system: str) -> dict[str, str]:
    """code -> pattern or status word, for one code system (ceds, england, vermont, columbus_oh, sequoia_az)."""
    rows = rows_of_file("absence_codes.csv", "system,code,meaning", "system,code")
    for row in rows:
        if row["meaning"] not in _reasons_by_code() and row["meaning"] not in STATUS_WORDS:
            raise row.refuse(
                "meaning", f"Use a pattern of absence_reasons.csv, or one of: {', '.join(sorted(STATUS_WORDS))}."
            )
    return {row["code"]: row["meaning"] for row in rows if row["system"] == system}


@cache
def choices(name: str) -> dict[str, tuple[str, ...]]:
    """value -> its other spellings, for one list of allowed values (grade_level, sex, activity ...)."""
    if name == "grade_level":
        return {row["grade_level"]: (*row.several("aliases"), row["label"]) for row in _grade_rows()}
    if name == "day_type":
        return {row["day_type"]: row.several("aliases") for row in _day_type_rows()}
    if name == "activity":
        return {item.activity: (item.letter, item.short) for item in activities()}
    if name == "pattern":
        return {item.pattern: (item.label_en, item.label_es, *item.aliases) for item in reasons()}
    rows = rows_of_file("choices.csv", "choices,value,aliases", "choices,value", "aliases")
    return {row["value"]: row.several("aliases") for row in rows if row["choices"] == name}


@cache
def spellings(name: str) -> dict[str, str]:
    """Every known spelling (made plain) -> the value, for one list of allowed values. Two values never share one."""
    found: dict[str, str] = {}
    for value, aliases in choices(name).items():
        for spelling in (value, *aliases):
            if found.setdefault(plain(spelling), value) != value:
                raise UserError(
                    f'Two values of "{name}" share the spelling "{spelling}".',
                    file="vocabulary",
                    column="aliases",
                    remedy="Remove it from one of the two rows.",
                )
    return found
