"""`pst doctor`: what this machine has for the work, and how its service is."""

import json
from dataclasses import asdict

from flows.cli.groups import Json

MARKS = {"ok": "ok     ", "warning": "warning", "missing": "MISSING"}


def doctor(*, as_json: Json = False) -> int:
    """Print what the machine has, and how its service is; exit status 0 if the machine can make pictures.

    Parameters
    ----------
    as_json
        One JSON object: able, and findings with name, state (ok, warning, missing), text and way_out.
    """
    from flows.service.health import examine_service
    from pst_core.diagnosis import diagnose

    findings = diagnose() + examine_service()
    able = all(finding.state != "missing" for finding in findings)
    if as_json:
        print(json.dumps({"able": able, "findings": [asdict(finding) for finding in findings]}))
        return 0 if able else 1
    for finding in findings:
        way_out = f" -> {finding.way_out}" if finding.way_out else ""
        print(f"{MARKS[finding.state]}  {finding.name}: {finding.text}{way_out}")
    print("This machine can make pictures." if able else "Something that is needed is missing; see above.")
    return 0 if able else 1
