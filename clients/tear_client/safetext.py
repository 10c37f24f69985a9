"""Text that others wrote, made safe for a terminal: it may say anything and do nothing."""

from __future__ import annotations

import re

_UNSAFE = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # controls, escape among them; newline and tab stay
    "\u202a-\u202e\u2066-\u2069"  # overrides of the writing direction, which reorder what follows
    "\ud800-\udfff"  # halves of a surrogate pair, which no terminal's encoding carries
    "]"
)
_BREAKS = re.compile("\r\n?|[\u2028\u2029]")


def clean(text: str) -> str:
    """The text with every line break as a newline and without control characters."""
    return _UNSAFE.sub("", _BREAKS.sub("\n", text))


def escape_json(text: str) -> str:
    """JSON that shows what `clean` would take away as escapes, so that it stays the same JSON."""
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
