# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What hosts, captures and bundles say, made harmless before a terminal, a spreadsheet or Prometheus reads it."""
from __future__ import annotations

import re
import unicodedata

# Controls of C0 and C1, and what turns the direction of text or breaks a line (UAX #9, UAX #14); lone surrogates.
_ODD = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")
_FORMULA = ("=", "+", "-", "@")


def line(text: object) -> str:
    """The text as one line of a terminal: what moves the cursor, colours, or breaks the line is shown as its number."""
    return _ODD.sub(lambda match: _number(match[0]), str(text))


def lines(text: object) -> str:
    """The same for a text of several lines, which stay: those behind the first are indented, so that none passes for
    another message."""
    return "\n        ".join(line(part) for part in str(text).split("\n"))


def cell(text: object) -> str:
    """The text as a cell of CSV: a spreadsheet takes what begins like a formula for one, unless an apostrophe is before
    it (OWASP, CSV Injection)."""
    shown = line(text)
    first = unicodedata.normalize("NFKC", shown[:1])  # the full-width forms too
    return f"'{shown}" if first in _FORMULA and first else shown


def label(text: object) -> str:
    """The text as the value of a label in Prometheus' text format."""
    return line(text).replace("\\", "\\\\").replace('"', '\\"')


def _number(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
