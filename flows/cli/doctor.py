"""`pst doctor` on the screen and as JSON."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pst_core.diagnosis import Finding

__all__ = ["examine"]

MARKS = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}


def examine(*, as_json: bool) -> int:
    """Print what the machine has; exit status 0 if a picture can be made on it."""
    from pst_core.diagnosis import diagnose

    findings = diagnose()
    able = all(finding.state != "missing" for finding in findings)
    if as_json:
        print(json.dumps({"able": able, "findings": [asdict(finding) for finding in findings]}))
    else:
        for finding in findings:
            print(_line(finding))
        print(
            "This machine can make pictures." if able else "Something that is needed is missing; see above."
        )
    return 0 if able else 1


def _line(finding: "Finding") -> str:
    way_out = f" -> {finding.way_out}" if finding.way_out else ""
    return f"{MARKS[finding.state]}  {finding.name}: {finding.text}{way_out}"
