"""One of Luan et al.'s pairs with maps, as benchmarks of time take it."""

import argparse
from pathlib import Path

SHARED = Path(__file__).resolve().parents[3] / "shared"
FILES = (("input", "in"), ("style", "tar"), ("segmentation", "in"), ("segmentation", "tar"))


def paths_of(data: Path, pair: int) -> list[str]:
    """Content, style, and the maps of both."""
    return [str(data / folder / f"{side}{pair}.png") for folder, side in FILES]


def parser_of(description: str | None, *, pair: int) -> argparse.ArgumentParser:
    """A parser of `--pair` and `--data`, with what the script says of itself."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--pair", type=int, default=pair)
    parser.add_argument("--data", type=Path, default=SHARED / "luan60")
    return parser
