"""Write the JSON schemas of recipe and report anew, after a change to their models or to the settings.

python tests/write_schemas.py
"""

import json
from pathlib import Path

from pst_core.report import Recipe, Report

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "schemas"


def schemas() -> dict[str, str]:
    """Text by name of the file."""
    return {
        f"{model.__name__.lower()}.schema.json": json.dumps(model.model_json_schema(), indent=2) + "\n"
        for model in (Recipe, Report)
    }


if __name__ == "__main__":
    for name, text in schemas().items():
        (FOLDER / name).write_text(text)
