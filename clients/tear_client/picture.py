"""A reflection as a picture in a file, drawn as the terminal draws it."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tear_chain.errors import InvalidRequest
from tear_chain.words import Reflection
from tear_client.progress import Progress, replay
from tear_client.render import WIDEST, ReflectionPicture
from tear_client.safetext import clean

# Rich's pictures fetch their font from elsewhere; the reader's own will do. The two rules stand before any text.
_FONT_RULE = re.compile(r"\s*@font-face \{.*?\}", re.DOTALL)
_FONT_RULES = 2


def save_picture(file: Path, said: str, reflection: Reflection) -> None:
    """Write the reflection on what was said as SVG; raise `InvalidRequest` where the file cannot be written."""
    progress = Progress()
    for event in replay(reflection):
        progress.take(event)
    console = Console(
        file=io.StringIO(), width=WIDEST, record=True, force_terminal=True, color_system="truecolor", highlight=False
    )
    console.print(Text(f'$ tear ask "{clean(said).strip()}"', style="bold"))
    console.print()
    console.print(ReflectionPicture(progress))
    picture = _FONT_RULE.sub("", console.export_svg(title="tear", unique_id="tear"), count=_FONT_RULES)
    try:
        file.write_text(picture, encoding="utf-8")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written: {error.strerror}.", param="svg") from error
