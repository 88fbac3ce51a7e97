"""Fingerprints of a study's files for copies that leave the team: the same for the same study, no help to a guesser."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping


def keyed_fingerprints(hashes: Mapping[str, str]) -> dict[str, str]:
    """File -> 64 hex digits (HMAC-SHA256) for the manifest of a copy for partners or the public.

    hashes: file -> sha256 of every input of the study. A plain sha256 gives away the last row of a small file to
    whoever knows the others, by trying. The key here is made of all files together, so a guess can only be tried by
    somebody who already holds every byte of the rest of the study; and when one file changes, all of these change, so
    two copies do not tell which. The same study gives the same digits on every machine: `evalkit verify` compares them.
    """
    whole = "\n".join(f"{name}\x00{digest}" for name, digest in sorted(hashes.items()))
    key = hashlib.sha256(b"evalkit inputs\x00" + whole.encode()).digest()
    return {name: hmac.new(key, f"{name}\x00{digest}".encode(), hashlib.sha256).hexdigest()
            for name, digest in hashes.items()}
