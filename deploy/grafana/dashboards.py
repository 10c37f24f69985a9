"""Write the dashboards: `python deploy/grafana/dashboards.py [FOLDER]`, into `dashboards` beside this if not given.

Grafana reads what is written, so it is committed; tests/observe holds it to what this makes.
"""

from __future__ import annotations

import sys
from pathlib import Path

from boards.engine import engine_board
from boards.service import service_board
from boards.witness import witness_board
from grafana_foundation_sdk.cog.encoder import JSONEncoder

BOARDS = {"witness": witness_board, "service": service_board, "engine": engine_board}
FOLDER = Path(__file__).parent / "dashboards"


def main(folder: Path) -> None:
    """Write every dashboard as `folder/NAME.json`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, board in BOARDS.items():
        written = JSONEncoder(sort_keys=True, indent=2).encode(board())
        (folder / f"{name}.json").write_text(f"{written}\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else FOLDER)
