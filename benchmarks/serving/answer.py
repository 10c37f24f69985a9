"""The answer that both constant servers give, word by word."""

from __future__ import annotations

import re

_TEXT = " You have been at it for a month and you still sit down to it every single day." * 2
WORDS = tuple(re.findall(r" [\w.]+", _TEXT))[:32]
assert len(WORDS) == 32
