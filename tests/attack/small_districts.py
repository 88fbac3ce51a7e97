"""Small simulated districts and their copies for partners, each made once per test run: where leaks show first."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

from sample_runs import evalkit

from evalkit.disclosure.audit import Copy
from evalkit.run import read_copy, run_report

D1 = (150, 3, 1)
"""Students, schools, seed."""
D60 = (60, 2, 7)
D4 = (700, 3, 4)
S13 = (400, 4, 13)


@cache
def place() -> Path:
    """A folder for this test run, removed at its end."""
    _KEPT.append(tempfile.TemporaryDirectory())
    return Path(_KEPT[0].name)


_KEPT: list[tempfile.TemporaryDirectory] = []


@cache
def district(size: tuple[int, int, int]) -> Path:
    """The study folder of a simulated district."""
    folder = place() / f"d{size[0]}"
    students, schools, seed = map(str, size)
    done = evalkit("simulate", str(folder), "--students", students, "--schools", schools, "--seed", seed)
    assert done.returncode == 0, done.stderr
    return folder


@cache
def partner_copy(report: str, size: tuple[int, int, int], **params: str) -> Copy:
    """What a partner reads of one report."""
    return read_copy(run_report(report, district(size), params={"audience": "partner", **params},
                                out=place() / "out" / report))


def number(text: str | None) -> int | None:
    """A count as a table prints it; None where hidden."""
    return None if text in (None, "", "hidden") else int(float(text))
