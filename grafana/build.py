"""Write grafana/dashboards/*.json: `python -m grafana.build` after a change of a board."""

import json
from pathlib import Path

from grafana.boards import BOARDS
from grafana.model import Board

__all__ = ["FOLDER", "text_of"]

FOLDER = Path(__file__).parent / "dashboards"


def text_of(board: Board) -> str:
    """Return the file's text for a board."""
    return json.dumps(board.json(), indent=1, ensure_ascii=False) + "\n"


def main() -> None:
    """Write every board's file, and remove those of boards that are no more."""
    FOLDER.mkdir(exist_ok=True)
    for left in set(FOLDER.glob("*.json")) - {FOLDER / f"{board.uid}.json" for board in BOARDS}:
        left.unlink()
    for board in BOARDS:
        (FOLDER / f"{board.uid}.json").write_text(text_of(board))


if __name__ == "__main__":
    main()
