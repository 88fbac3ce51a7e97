"""The last cell of a notebook: the sections become a finished folder, or a page to look at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.render import folder as run_folder
from evalkit.render.blocks import Context, Section
from evalkit.render.html import fragment_html, page_html


@dataclass(frozen=True)
class Published:
    """What `publish` made. `folder` is None when nothing was written; the page shows itself in a notebook."""

    sections: tuple[Section, ...]
    folder: Path | None = None
    name: str = ""

    def __repr__(self) -> str:
        digests = " ".join(section.digest() for section in self.sections)
        where = f"written to {self.name}" if self.name else "shown, nothing written"
        return f"{self.sections[0].context.report}: {len(self.sections)} sections {where}; numbers {digests}"

    def _repr_html_(self) -> str | None:
        return None if self.folder else fragment_html(self.sections, with_fonts=True)


def publish(params: Any, sections: Sequence[Section]) -> Published:
    """Write the finished folder of a report under `params.out`, whole or not at all; without `out` show the page.

    sections: in page order, all of one run. Returns a Published whose repr is one line without a path of this machine.
    """
    found = tuple(sections)
    if not found or any(section.context != found[0].context for section in found):
        raise ValueError("publish needs at least one section, all made with the same study and parameters.")
    context, staged = found[0].context, run_folder.staging()
    if staged is not None:
        _fill(staged, params, found)
        _keep_set_aside(context, staged.parent)
        return Published(found, staged, "the run's folder")
    if not (given := str(getattr(params, "out", "") or "")):
        return Published(found)
    out = files.locate(given)
    if given_study := str(getattr(params, "study", "") or ""):
        files.must_lie_outside(out / files.safe_name(context.folder), files.locate(given_study))
    target = run_folder.run_path(out, context, month=str(getattr(params, "month", "") or ""),
                                 school=str(getattr(params, "school", "") or ""))
    with files.whole_folder(target) as work:
        _fill(work, params, found)
    _keep_set_aside(context, target.parent.parent)
    run_folder.write_index(out)
    return Published(found, target, target.relative_to(out).as_posix())


def _keep_set_aside(context: Context, home: Path) -> None:
    """The study's set-aside rows, kept below DIR/<study> for the team alone."""
    if context.set_aside is not None:
        context.set_aside.write_set_aside(home / "set-aside")


def _fill(folder: Path, params: Any, sections: tuple[Section, ...]) -> None:
    from evalkit.render.pdf import page_pdf

    run_folder.fill(folder, params, sections, html=page_html(sections), pdf=page_pdf(sections))
