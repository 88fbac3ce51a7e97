"""Attack finished copies for partners and the public, read from their files alone: what can be deduced?

Covered, over any number of folders at once: counts of 1 to 9 in sight; a hidden count narrowed by sums, complements,
shares, other tables, other reports of the same day, the district's copy less its schools' copies, the review before
(its bands are this review's "last review"), and all students of the year less those on the roll. Not covered: how many
have too few days to be judged; how many joined between two reviews (totals are printed each month; days missed grow for
all in between, so a joiner's days do not follow); other groups that are defined a little differently in two reports.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from evalkit.disclosure.bounds import Bounds
from evalkit.disclosure.declared import STUDENTS, is_exact_where_ten, rounding_of, tells_who_joined
from evalkit.disclosure.types import HIDDEN
from evalkit.disclosure.wholes import impact_in_sight, tie_wholes
from evalkit.disclosure.wholes import number as _number

LEAST, WIDTH = 10, 5
BANDS = ("satisfactory", "at_risk", "moderate", "severe", "extreme")
CHRONIC = BANDS[2:]


@dataclass(frozen=True)
class Copy:
    """One finished folder as its reader sees it. tables: file stem -> rows as text. rounded_to: as its page says."""

    name: str
    study: str
    report: str
    as_of: str
    school: str
    audience: str
    results: Mapping[str, Any]
    tables: Mapping[str, Sequence[Mapping[str, str]]]
    text: str = ""
    rounded_to: int = 1


@dataclass(frozen=True)
class Finding:
    """One thing a reader can deduce: in which copy, where, in plain words (never the number itself)."""

    copy: str
    where: str
    text: str


@dataclass(frozen=True)
class Shape:
    """What the columns of a released table mean. keys: columns that name a row. within: part -> whole. sums: whole ->
    parts. shares: share -> (numerator, denominator). total: the key of the total row. by_school: a school's copy
    counts a part of the district's row."""

    keys: tuple[str, ...]
    counts: tuple[str, ...]
    within: Mapping[str, str] = field(default_factory=dict)
    sums: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shares: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    total: str = ""
    by_school: bool = False


GROUPS = ("grade_level", "race_ethnicity", "english_learner", "disability_idea", "econ_disadvantaged", "sex", "zip")
_SEVERE = {"n_chronic": ("n_severe", "n_moderate"), "n_students": ("n_chronic", "n_at_risk", "n_satisfactory")}
_BREAKDOWN = Shape(("group",), ("n_severe", "n_moderate", "n_chronic", "n_at_risk", "n_satisfactory", "n_students"),
                   {"n_chronic": "n_students"}, _SEVERE, total="all",
                   shares={f"share_{band}": (f"n_{band}", "n_students")
                           for band in ("severe", "moderate", "chronic", "at_risk", "satisfactory")})
"""The columns of the DATT: severe holds everyone at 20 % or more."""

SHAPES: Mapping[tuple[str, str], Shape] = {
    ("monthly_review", "bands"): Shape(("when",), (*BANDS, "n", "n_chronic"), {"n_chronic": "n"},
                                       {"n": BANDS, "n_chronic": CHRONIC}),
    ("monthly_review", "schools"): Shape(("school",), ("n", "n_chronic"), {"n_chronic": "n"},
                                         shares={"value": ("n_chronic", "n")}),
    ("monthly_review", "fidelity"): Shape(("what",), ("n", "of", "n_before", "of_before"),
                                          {"n": "of", "n_before": "of_before"},
                                          shares={"share": ("n", "of"), "before": ("n_before", "of_before")},
                                          by_school=True),
    ("monthly_review", "help"): Shape(("need",), ("n", "connected", "waiting", "ended"),
                                      sums={"n": ("connected", "waiting", "ended")}, by_school=True),
    ("monthly_review", "reasons"): Shape(("label",), ("n_students",), by_school=True),
    ("barrier_patterns", "funnel"): Shape(("label",), ("n_barriers", "n_referred", "n_connected", "n_waiting"),
                                          {"n_referred": "n_barriers", "n_connected": "n_referred",
                                           "n_waiting": "n_referred"}, by_school=True),
    ("barrier_patterns", "gap"): Shape(("label",), ("n_students",), by_school=True),
    ("barrier_patterns", "reasons"): Shape(("label",), ("n_students", "n_all"), {"n_students": "n_all"},
                                           shares={"share": ("n_students", "n_all")}, by_school=True),
    ("barrier_patterns", "portfolio"): Shape(("approach", "tier", "support"), ("n_students",), by_school=True),
    ("barrier_patterns", "domains"): Shape(("domain",), ("n_needs", "n_students"), by_school=True),
    ("barrier_patterns", "supports_per_student"): Shape(("words",), ("n_students",), by_school=True),
    ("program_profile", "mentor_types"): Shape(("kind",), ("n_students",), by_school=True),
    ("student_selection", "signs"): Shape(("signs",), ("n_students",), by_school=True),
    ("celebration", "recognised"): Shape(("school",), ("good", "improved"), total="All schools"),
    ("celebration", "flows"): Shape(("panel", "target"), ("n_students", "n"), {"n_students": "n"},
                                    shares={"share": ("n_students", "n")}, by_school=True),
    ("data_check", "completeness"): Shape(("school",), ("n_students",)),
    ("data_check", "row_account"): Shape(("file",), ("rows_read", "loaded", "repaired", "quarantined", "duplicate"),
                                         sums={"rows_read": ("loaded", "repaired", "quarantined", "duplicate")}),
    ("impact_study", "groups"): Shape(("group", "label"), ("n", "n_comparison")),
    **{("student_selection", f"by_{name}"): _BREAKDOWN for name in GROUPS},
}
STEPS = {("impact_study", "flow"): ("treated", "comparison"),
         ("monthly_review", "looks"): ("n_treated", "n_comparison")}
_IN_WORDS = re.compile(r"(?<![\d.,:/%$–-])\b([1-9]) (?:mentored |similar |other )?"
                       r"(?:students?|children|child|families|pupils)\b(?! (?:weeks?|groups?))")


def audit(copies: Sequence[Copy], *, least: int = LEAST, width: float = WIDTH) -> list[Finding]:
    """Everything a reader of these copies can deduce about groups of 1 to `least` - 1 students.

    A finding is a count below `least` in sight, a hidden count whose possible values span less than `width`, or
    students left over between two counts who come out as fewer than `least`. Empty when nothing can be deduced.
    """
    outside = [copy for copy in copies if copy.audience != "team"]
    found = [finding for copy in outside for finding in _in_sight(copy, least)]
    bounds, homes = Bounds(), dict[int, str]()
    for copy in outside:
        _read_tables(bounds, homes, copy)
        _read_measures(bounds, homes, copy)
    for copy in outside:
        _tie_measures(bounds, copy)
        _tie_recognised(bounds, copy)
        _tie_barriers(bounds, copy)
        _tie_roll(bounds, homes, copy)
    _tie_schools(bounds, homes, outside)
    tie_wholes(bounds, homes, outside, least=least)
    found += [Finding(homes.get(cell, ""), "the same count", "two copies contradict each other")
              for cell in sorted(bounds.clashes)]
    return list(dict.fromkeys([*found, *_narrow(bounds, homes, least, width)]))


def _in_sight(copy: Copy, least: int) -> Iterator[Finding]:
    for stem, rows in copy.tables.items():
        for name in sorted({name for row in rows for name, value in row.items() if _is_few(name, value, least)}):
            yield Finding(copy.name, f"tables/{stem}.csv, column {name}", "a count of fewer than ten is in sight")
        for name in sorted({name for row in rows for name, value in row.items()
                            if is_exact_where_ten(copy.report, stem, str(name), _number(value))}):
            yield Finding(copy.name, f"tables/{stem}.csv, column {name}", "an exact number other copies would undo")
    for path, value in _walk(copy.results):
        if _is_few(path[-1], str(value), least) and not isinstance(value, bool):
            yield Finding(copy.name, "results.json, " + ".".join(path), "a count of fewer than ten is in sight")
    if _IN_WORDS.search(copy.text):
        yield Finding(copy.name, "the page", "a sentence or figure counts fewer than ten students")
    if tells_who_joined(copy.results.get("flows") or {}, least):
        yield Finding(copy.name, "results.json, flows", "the students who joined or left are fewer than ten")
    yield from _near_rows(copy, least)
    yield from (Finding(copy.name, *said) for said in impact_in_sight(copy, least))


def _is_few(name: str, value: str, least: int) -> bool:
    number = _number(value) if STUDENTS.fullmatch(str(name)) else None
    return number is not None and 0 < number < least


def _walk(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _walk(item, (*path, str(key)))
    elif isinstance(value, list):
        for item in value:
            yield from _walk(item, path)
    elif path:
        yield path, value


def _near_rows(copy: Copy, least: int) -> Iterator[Finding]:
    """Rows that hold one another and differ by a few students."""
    for (report, stem), columns in STEPS.items():
        for name in columns if report == copy.report else ():
            known = [number for row in copy.tables.get(stem, ()) if (number := _number(row.get(name, ""))) is not None]
            if any(0 < abs(a - b) < least for i, a in enumerate(known) for b in known[:i]):
                where = f"tables/{stem}.csv, column {name}"
                yield Finding(copy.name, where, "two rows differ by fewer than ten students")


def _key(copy: Copy, stem: str, row: tuple[str, ...], column: str, school: str | None = None) -> tuple:
    return copy.study, copy.as_of, copy.report, stem, copy.school if school is None else school, row, column


def _print(bounds: Bounds, homes: dict, copy: Copy, key: tuple, text: str, where: str, *, base: int) -> int:
    """What one cell says of its count; a rounded one says a range."""
    cell, value = bounds.count(key), _number(text)
    homes.setdefault(cell, copy.name)
    if value is not None:
        bounds.know(cell, value - base // 2, value + (base - 1) // 2)
    elif text == HIDDEN:
        bounds.hidden.setdefault(cell, where)
    return cell


def _read_tables(bounds: Bounds, homes: dict, copy: Copy) -> None:
    for stem, rows in copy.tables.items():
        shape = SHAPES.get((copy.report, stem))
        if shape is None:
            continue
        for place, row in enumerate(rows):
            names = tuple(str(row.get(key, "")) for key in shape.keys)
            cells = {name: _print(bounds, homes, copy, _identity(copy, stem, rows, place, names, name), row[name],
                                  f"tables/{stem}.csv, {', '.join(names)}, {name}",
                                  base=rounding_of(copy.report, stem, name, copy.rounded_to))
                     for name in shape.counts if name in row}
            _tie_row(bounds, copy, stem, shape, row, names, cells)


def _identity(copy: Copy, stem: str, rows: Sequence, place: int, names: tuple[str, ...], column: str) -> tuple:
    """Which count a cell is; the bands of now, of the last review and of each school are the measures of that day."""
    if copy.report == "monthly_review" and stem == "bands":
        last = len(rows) - 1
        day = copy.as_of if place == last else (copy.results.get("window") or {}).get("before")
        if day and (place == last or (place == last - 1 and last > 0 and "review" in names[0].lower())):
            return _measure_key(copy, day, copy.school, column)
    if copy.report == "monthly_review" and stem == "schools":
        return _measure_key(copy, copy.as_of, names[0], column)
    if copy.report == "student_selection" and names == ("all",):
        return _key(copy, "roll", names, column)
    school = names[0] if SHAPES[copy.report, stem].keys == ("school",) else None
    return _key(copy, stem, names, column, "" if school else None)


def _measure_key(copy: Copy, day: str, school: str, column: str) -> tuple:
    column = {"n": "n_students", "n_students": "n_students"}.get(column, column.removeprefix("n_"))
    return copy.study, day, "measures", school, column


def _tie_row(bounds: Bounds, copy: Copy, stem: str, shape: Shape, row: Mapping[str, str], names: tuple[str, ...],
             cells: Mapping[str, int]) -> None:
    where = f"tables/{stem}.csv, {', '.join(names)}"
    for whole, parts in shape.sums.items():
        if whole in cells and all(part in cells for part in parts):
            bounds.tie(cells[whole], [cells[part] for part in parts])
    for part, whole in shape.within.items():
        if part in cells and whole in cells:
            bounds.left_over(("rest", cells[whole], cells[part]), cells[whole], cells[part],
                             f"{where}, {whole} less {part}")
    for share, (top, bottom) in shape.shares.items():
        value = _number(row.get(share, ""))
        if value is not None and top in cells and bottom in cells and copy.rounded_to < 2:
            digits = len(row[share].partition(".")[2])
            bounds.share(cells[top], cells[bottom], value, 0.5 * 10.0 ** -min(digits, 12))


def _read_measures(bounds: Bounds, homes: dict, copy: Copy) -> None:
    """results.json `measures` of a review: exact in every copy."""
    names = ("n_students", "n_chronic", *(f"n_{band}" for band in BANDS))
    for row, school in zip(copy.results.get("measures") or (), _measure_schools(copy), strict=False):
        cells = {}
        for name in names:
            if name in row:
                text = HIDDEN if row[name] is None else str(row[name])
                cells[name] = _print(bounds, homes, copy, _measure_key(copy, copy.as_of, school, name), text,
                                     f"results.json, measures, {school or 'all'}, {name}", base=1)
        if len(cells) == len(names):
            where = f"results.json, measures, {school or 'all'}"
            _tie_bands(bounds, copy, cells, where)
            bounds.left_over(("rest", cells["n_students"], cells["n_chronic"]), cells["n_students"],
                             cells["n_chronic"], f"results.json, measures, {school or 'all'}, not chronic")


def _tie_bands(bounds: Bounds, copy: Copy, cells: Mapping[str, int], where: str) -> None:
    """Bands add up to all students, where none has too few days to judge; the bands over the threshold to those
    chronically absent, but for the part of a band that the threshold cuts."""
    rules = copy.results.get("rules") or {}
    bands = [cells[f"n_{band}"] for band in BANDS]
    threshold, edges = rules.get("threshold", 0.1), tuple(rules.get("bands", (0.05, 0.1, 0.2, 0.5)))
    place = sum(edge < threshold for edge in edges)
    cut = [] if threshold in edges else [_remainder(bounds, ("cut", cells["n_chronic"]), f"{where}, cut band")]
    if not any(rules.get(name) for name in ("min_days_enrolled", "min_days_present")):
        bounds.tie(cells["n_students"], bands)
    bounds.tie(cells["n_chronic"], [*bands[place + 1:], *cut])


def _remainder(bounds: Bounds, key: tuple, where: str) -> int:
    """A count that nobody prints and a reader may have by subtraction."""
    cell = bounds.count(key)
    bounds.small.setdefault(cell, where)
    return cell


def _measure_schools(copy: Copy) -> list[str]:
    """The schools of the measures by name: the table of schools stands in the same order; else by id."""
    ids = [row.get("school_id") for row in copy.results.get("measures") or ()]
    names = [row.get("school", "") for row in copy.tables.get("schools", ())]
    schools = [i for i in ids if i is not None]
    if copy.school:
        return [copy.school for _ in ids]
    shown = names if len(names) == len(schools) else schools
    place = dict(zip(schools, shown, strict=True))
    return ["" if i is None else place[i] for i in ids]


def _tie_measures(bounds: Bounds, copy: Copy) -> None:
    """All students of the district are the sum of its schools, where nobody attended two."""
    schools = [school for school in _measure_schools(copy) if school]
    if copy.school or len(schools) < 2:
        return
    keys = {name: [bounds.numbers[key] for school in ("", *schools)
                   if (key := _measure_key(copy, copy.as_of, school, name)) in bounds.numbers]
            for name in ("n_students", "n_chronic", *(f"n_{band}" for band in BANDS))}
    if any(len(cells) <= len(schools) for cells in keys.values()):
        return
    all_known = all(bounds.is_known(cell) for cell in keys["n_students"])
    twice = sum(bounds.low[c] for c in keys["n_students"][1:]) - bounds.low[keys["n_students"][0]] if all_known else 1e9
    for cells in keys.values():
        bounds.tie(cells[0], cells[1:], slack=(-2 * twice, 2 * twice) if twice else (0.0, 0.0))


def _tie_recognised(bounds: Bounds, copy: Copy) -> None:
    rows = copy.tables.get("recognised", ()) if copy.report == "celebration" else ()
    if "All schools" not in (names := [row["school"] for row in rows]):
        return
    for column in ("good", "improved"):
        cells = [bounds.numbers.get(_key(copy, "recognised", (name,), column, "")) for name in names]
        whole = cells[names.index("All schools")]
        if whole is not None:
            said = (copy.results.get("recognised") or {}).get(f"n_{column}")
            if said is not None and copy.rounded_to < 2:
                bounds.know(whole, said, said)
            bounds.tie(whole, [cell for cell in cells if cell is not None and cell != whole])


_ROLL_OF_YEAR = {"n_students": "n_students", "n_chronic": "chronic", "n_at_risk": "at_risk", "n_severe": "severe_all",
                 "n_satisfactory": "satisfactory", "n_moderate": "moderate"}


def _tie_roll(bounds: Bounds, homes: dict, copy: Copy) -> None:
    """A breakdown's groups add up to all on the roll; these are part of all who were enrolled in the year."""
    for stem in (f"by_{name}" for name in GROUPS) if copy.report == "student_selection" else ():
        rows = copy.tables.get(stem, ())
        for column in _BREAKDOWN.counts if rows and rows[-1].get("group") == "all" else ():
            parts = [bounds.numbers.get(_key(copy, stem, (row["group"],), column)) for row in rows[:-1]]
            whole = bounds.numbers.get(_key(copy, "roll", ("all",), column))
            if whole is not None:
                bounds.tie(whole, [cell for cell in parts if cell is not None])
    _severe_of_year(bounds, copy)
    for column, year in _ROLL_OF_YEAR.items() if copy.report == "student_selection" else ():
        roll = bounds.numbers.get(_key(copy, "roll", ("all",), column))
        enrolled = bounds.numbers.get(_measure_key(copy, copy.as_of, copy.school, year))
        if roll is not None and enrolled is not None:
            where = f"all students of the review less those on the roll, {column}"
            bounds.left_over(("left", enrolled, roll), enrolled, roll, where)
            homes.setdefault(bounds.numbers.get(("left", enrolled, roll), -1), copy.name)


def _severe_of_year(bounds: Bounds, copy: Copy) -> None:
    """20 % and more in one count, as the DATT has it."""
    both = [_measure_key(copy, copy.as_of, copy.school, band) for band in ("severe", "extreme")]
    if all(key in bounds.numbers for key in both):
        whole = bounds.count(_measure_key(copy, copy.as_of, copy.school, "severe_all"))
        bounds.tie(whole, [bounds.numbers[key] for key in both])


def _tie_barriers(bounds: Bounds, copy: Copy) -> None:
    """Students with an open barrier are part of those who ever had it."""
    for row in copy.tables.get("gap", ()) if copy.report == "barrier_patterns" else ():
        part = bounds.numbers.get(_key(copy, "gap", (row["label"],), "n_students"))
        whole = bounds.numbers.get(_key(copy, "funnel", (row["label"],), "n_barriers"))
        if part is not None and whole is not None:
            bounds.left_over(("closed", whole, part), whole, part, f"tables/funnel.csv less gap.csv, {row['label']}")


def _tie_schools(bounds: Bounds, homes: dict, copies: Sequence[Copy]) -> None:
    """The district's copy less one school's copy: students of the other schools."""
    for key, cell in list(bounds.numbers.items()):
        if len(key) != 7 or not key[4] or (key[2], key[3]) not in SHAPES or not SHAPES[key[2], key[3]].by_school:
            continue
        whole = bounds.numbers.get((*key[:4], "", *key[5:]))
        if whole is not None:
            rest = f"tables/{key[3]}.csv, {', '.join(key[5])}, {key[6]}: the district less this school"
            bounds.left_over(("others", whole, cell), whole, cell, rest)
            homes.setdefault(bounds.numbers.get(("others", whole, cell), -1), homes.get(cell, ""))


def _narrow(bounds: Bounds, homes: Mapping[int, str], least: int, width: float) -> list[Finding]:
    """Hidden counts and left-overs that can be told too nearly. A hidden count that is certainly no small group (all
    students, told in another table too) points to nobody; what it was hidden for is a count of its own here."""
    ranges = bounds.ranges([*bounds.hidden, *bounds.small])
    found = [Finding(homes.get(cell, ""), where, f"a hidden count can be narrowed to fewer than {width:g} values")
             for cell, where in bounds.hidden.items()
             if ranges[cell][1] - ranges[cell][0] < width - 1e-3 and ranges[cell][0] < least - 0.5]
    for cell, where in bounds.small.items():
        low, high = ranges[cell]
        if high - low < width - 1e-3 and high > 0.5 and low < least - 0.5:
            found.append(Finding(homes.get(cell, _home_of(cell, bounds, homes)), where,
                                 "the students left over are fewer than ten"))
    return found


def _home_of(cell: int, bounds: Bounds, homes: Mapping[int, str]) -> str:
    """The copy of the counts that a left-over is tied to."""
    for weights, _, _ in bounds.rows:
        if cell in weights:
            return next((homes[other] for other in weights if other in homes), "")
    return ""
