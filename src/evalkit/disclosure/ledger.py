"""The release ledger: what each copy for partners and the public told, so that the next one is attacked beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evalkit import files
from evalkit.disclosure.audit import Copy, Finding, audit
from evalkit.errors import DisclosureStop, UserError

LEDGER = "releases.jsonl"
_TOLD = ("measures", "recognised", "window", "rules", "totals", "next_year", "profile")
"""What of results.json the attack across copies reads; tables come on top, the page's words were attacked alone."""


def read_ledger(home: Path) -> dict[str, Copy]:
    """digest -> copy, of every release of this study noted under `home` (DIR/<study>)."""
    path = Path(home) / LEDGER
    if not path.is_file():
        return {}
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return {line["digest"]: Copy(**line["copy"]) for line in lines}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError("The release ledger cannot be read, so it is not known what was handed out before.",
                        file=LEDGER, remedy=f"Restore {LEDGER} from a backup; or move it away, if nothing was handed "
                        "out yet.") from None


def note_releases(home: Path, copies: Iterable[Copy]) -> None:
    """Note copies that the ledger does not hold yet; what stands there is never rewritten (mode 0600)."""
    known = read_ledger(home)
    new = {digest: told for copy in copies if (digest := digest_of(told := _told(copy))) not in known}
    if new:
        lines = [json.dumps({"digest": digest, "copy": asdict(copy)}, sort_keys=True) for digest, copy in new.items()]
        files.append_bytes(Path(home) / LEDGER, ("\n".join(lines) + "\n").encode("utf-8"), private=True)


def digest_of(copy: Copy) -> str:
    """The sha256 of what a copy tells."""
    return hashlib.sha256(json.dumps(asdict(copy), sort_keys=True).encode()).hexdigest()


def must_stand_beside(copy: Copy, earlier: Sequence[Copy]) -> None:
    """Refuse (exit 3) a copy from which, with those released before, something can be deduced that they alone hide."""
    others = [other for other in earlier if _touches(copy, other)]
    found = audit([*others, copy])
    before = set(audit(others)) if found and others else set()
    new = [finding for finding in found if finding not in before]
    if new:
        raise DisclosureStop(
            "This copy was not written: beside the copies made before, small groups of students could be worked out.",
            culprits=[f"{finding.copy}: {finding.where}: {finding.text}" for finding in new],
            remedy="Raise min_cell, or set rounding_base = 10, under [privacy] in study.toml, and run it again.")


def _touches(copy: Copy, other: Copy) -> bool:
    """Whether the two say something of the same day: their own, or the day a review looks back to."""
    days = [{one.as_of, str((one.results.get("window") or {}).get("before") or one.as_of)} for one in (copy, other)]
    return copy.study == other.study and bool(days[0] & days[1])


def _told(copy: Copy) -> Copy:
    results: Mapping[str, Any] = {name: copy.results[name] for name in _TOLD if copy.results.get(name)}
    return Copy(**{**copy.__dict__, "results": results, "text": "", "tables": {
        stem: [dict(row) for row in rows] for stem, rows in copy.tables.items()}})


__all__ = ["LEDGER", "Finding", "digest_of", "must_stand_beside", "note_releases", "read_ledger"]
