"""Which counts to hide: the small ones, those that would give them away, and whatever the attack still finds.

The rule in words. A count of 0 to 9 is hidden (0 too), and so is a count whose complement is 0 to 9. Where a sum has
hidden parts, at least two of its members are hidden and they stand for at least 10 people. Then the tables are
attacked together; while any hidden count can be narrowed to less than the protection width, one more count is hidden.
Where counts are rounded, each is rounded by itself, and a total is hidden that would undo the rounding of its parts.
"""

from __future__ import annotations

import numpy as np

from evalkit.disclosure.attack import pinned_by_rounding, too_narrow
from evalkit.disclosure.cells import Cells


def choose_hidden(cells: Cells, *, min_cell: int, protect_width: float,
                  start: np.ndarray | None = None, settled: np.ndarray | None = None) -> np.ndarray:
    """Booleans per cell: True where the reader may not see it. Unprinted cells (complements, rests) are always True.

    start: cells hidden already. settled: cells whose fate another copy has decided, so that they stay as they are; if
    the rest cannot be protected without them, everything is hidden.
    """
    values = np.array(cells.values, int)
    settled = np.zeros(len(values), bool) if settled is None else settled
    printed = np.array(cells.printed, bool)
    hidden = ~printed | ((values < min_cell) & ~settled)
    hidden |= np.zeros(len(values), bool) if start is None else start
    printed &= hidden | ~settled
    _hide_owners_of_small_unprinted(cells, values, printed, hidden, min_cell)
    while True:
        _two_a_line(cells, values, printed, hidden, min_cell)
        sensitive = hidden & (printed | (values < min_cell))
        weak = too_narrow(cells, hidden, sensitive, width=protect_width)
        if not weak:
            return hidden
        if not any([_hide_beside(cells, values, printed, hidden, cell) for cell in weak]):
            return hidden | _tied_to(cells, weak)


def hide_what_undoes_rounding(cells: Cells, hidden: np.ndarray, *, base: int, protect_width: float) -> np.ndarray:
    """Booleans per cell: `hidden`, and totals that with their rounded parts would tell a count more closely."""
    hidden = hidden.copy()
    while pinned := pinned_by_rounding(cells, hidden, base=base, width=protect_width):
        lines = [members for members, _, _ in cells.sums if pinned[0] in members]
        shown = {cell for members in lines for cell in members if not hidden[cell]}
        wholes = {members[0] for members in lines} & shown
        hidden[min(wholes or shown, key=lambda cell: (cells.values[cell], cell))] = True
    return hidden


def _tied_to(cells: Cells, weak: list[int]) -> np.ndarray:
    """Booleans: every count that some chain of sums ties to a weak one. Hidden as a last resort."""
    reached = np.zeros(len(cells.values), bool)
    reached[weak] = True
    while True:
        before = int(reached.sum())
        for members, _, _ in cells.sums:
            if reached[list(members)].any():
                reached[list(members)] = True
        if int(reached.sum()) == before:
            return reached


def _hide_owners_of_small_unprinted(cells: Cells, values: np.ndarray, printed: np.ndarray, hidden: np.ndarray,
                                    min_cell: int) -> None:
    """A small complement or rest is found by subtraction: hide the smallest printed part beside it."""
    for members, _, _ in cells.sums:
        if any(not printed[cell] and values[cell] < min_cell for cell in members):
            parts = [cell for cell in members[1:] if printed[cell]]
            if parts and not any(hidden[cell] for cell in parts):
                hidden[min(parts, key=lambda cell: values[cell])] = True


def _two_a_line(cells: Cells, values: np.ndarray, printed: np.ndarray, hidden: np.ndarray, min_cell: int) -> None:
    """Until nothing changes: in a sum with a hidden member hide more, until two are unknown and they are not few."""
    changed = True
    while changed:
        changed = False
        for members, _, _ in cells.sums:
            unknown = [cell for cell in members if hidden[cell]]
            if not any(printed[cell] or values[cell] < min_cell for cell in unknown):
                continue
            few = sum(values[cell] for cell in unknown) < min_cell
            if unknown and (len(unknown) < 2 or few):
                changed |= _hide_one(values, printed, hidden, cells, members)


def _hide_one(values: np.ndarray, printed: np.ndarray, hidden: np.ndarray, cells: Cells,
              members: tuple[int, ...]) -> bool:
    """Hide the smallest shown member, a part before a whole; False when all are hidden already."""
    shown = [cell for cell in members if not hidden[cell] and printed[cell]]
    if not shown:
        return False
    hidden[min(shown, key=lambda cell: (cells.whole[cell], values[cell], cell))] = True
    return True


def _hide_beside(cells: Cells, values: np.ndarray, printed: np.ndarray, hidden: np.ndarray, cell: int) -> bool:
    """Hide one more count in a sum that holds `cell`, else in a sum that hidden counts tie to it."""
    reached, frontier = {cell}, [cell]
    while frontier:
        lines = [members for members, _, _ in cells.sums if any(c in members for c in frontier)]
        shown = {c for members in lines for c in members if not hidden[c] and printed[c]}
        if shown:
            hidden[min(shown, key=lambda c: (cells.whole[c], values[c], c))] = True
            return True
        frontier = [c for members in lines for c in members if c not in reached]
        reached.update(frontier)
    return False
