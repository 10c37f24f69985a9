"""A reflection as a picture in a file, drawn as the terminal draws it."""

from __future__ import annotations

import io
import re
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from tear_chain.errors import InvalidRequest
from tear_chain.words import Reflection
from tear_client.progress import Progress, replay
from tear_client.render import WIDEST, ReflectionPicture
from tear_client.safetext import clean

# The template fetches its font from elsewhere; the reader's own will do.
_TEMPLATE = re.sub(r"\s*@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


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
    try:
        console.save_svg(str(file), title="tear", code_format=_TEMPLATE, unique_id="tear")
    except OSError as error:
        raise InvalidRequest(f"{file} cannot be written: {error.strerror}.", param="svg") from error
