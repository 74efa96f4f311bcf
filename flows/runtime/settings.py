"""Prefect's settings: what a user gave it, and nothing that lies in the folder one happens to stand in.

Prefect reads ``.env``, ``prefect.toml`` and ``pyproject.toml`` of the current folder, when it is imported and
whenever a setting changes. Those are somebody else's project: they may name a server that nobody asked for,
or be no text at all. Variables and profiles do count.
"""

import contextlib
import io
import logging
import os
import sys
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.runtime.current_folder import standing_in
from pst_core.errors import PstError
from pst_core.store import pst_home

if TYPE_CHECKING:
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

# A user's own values go before these.
QUIET = {
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # Errors are told in sentences; Prefect's own lines are in its UI.
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
}
# What is finished is found done, and what is printed is printed, whatever is set for somebody's other flows.
_FIXED = {
    "PREFECT_TASKS_REFRESH_CACHE": "false",
    "PREFECT_TASKS_DISABLE_CACHING": "false",
    "PREFECT_FLOWS_DEFAULT_RETRIES": "0",
    "PREFECT_LOGGING_LOG_PRINTS": "false",
}
# Names of storages that a server may not have; results are kept in the store.
_WITHOUT = (
    "PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK",
    "PREFECT_DEFAULT_RESULT_STORAGE_BLOCK",
    "PREFECT_TASKS_DEFAULT_STORAGE_BLOCK",
    "PREFECT_DEFAULT_TASK_STORAGE_BLOCK",
    "PREFECT_TASK_DEFAULT_STORAGE_BLOCK",
)
_PROFILES = "PREFECT_PROFILES_PATH"


class PrefectSettingsError(PstError):
    """Prefect's variables or profiles cannot be used."""


def import_prefect() -> None:
    """Import Prefect with the user's own settings; to be called before anything that imports it.

    Where it is imported already (a worker's flow, a notebook) its settings are whoever's imported it.

    Raises
    ------
    PrefectSettingsError
        A profile cannot be read, or a setting has a value that cannot be used.
    """
    if "prefect" in sys.modules:
        return
    logging.raiseExceptions = os.environ.get("PST_DEBUG") == "1"  # or lost log lines are cried over
    _prepare_variables()
    _check_profiles(Path(os.environ[_PROFILES]))
    from pydantic import ValidationError
    from pydantic_settings import SettingsError

    try:
        with standing_in(Path(__file__).parent):  # which holds no settings
            with contextlib.redirect_stderr(io.StringIO()):  # what is wrong is told below
                import_module("prefect.context")  # where the settings are made
            _close_to_the_folder()
    except (ValidationError, SettingsError) as error:
        raise PrefectSettingsError(
            f"Prefect's settings cannot be used: {_describe(error)}. Look at the variables that begin with "
            f"PREFECT_, and at {os.environ[_PROFILES]}."
        ) from error


def _prepare_variables() -> None:
    _give_a_home()
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    replaced = {*_FIXED, *_WITHOUT}
    for name in [name for name in os.environ if name.upper() in replaced]:
        del os.environ[name]
    os.environ.update(_FIXED)
    home = Path(os.environ.get("PREFECT_HOME") or "~/.prefect").expanduser()
    if "PREFECT_HOME" in os.environ:  # it may be given as seen from here
        os.environ["PREFECT_HOME"] = str(home.absolute())
    # Named, or the folder's files are asked for it before any other source.
    profiles = Path(os.environ.get(_PROFILES) or home / "profiles.toml").expanduser()
    os.environ[_PROFILES] = str(profiles.absolute())


def _give_a_home() -> None:
    """Prefect cannot be imported by a user without a home folder, as in containers: give it ours."""
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = str(pst_home())


def _check_profiles(path: Path) -> None:
    """Refuse profiles that cannot be read; say if the one that is asked for is not there."""
    way_out = f"mend or remove it, or name another file in {_PROFILES}"
    try:
        profiles = tomllib.loads(path.read_text("utf-8"))
        known: Any = profiles.get("profiles", {})
        names = set(known) if all(isinstance(each, dict) for each in known.values()) else None
    except FileNotFoundError:
        profiles, names = {}, set()
    except (OSError, ValueError, AttributeError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise PrefectSettingsError(
            f"{path}, Prefect's profiles, cannot be read ({reason}): {way_out}."
        ) from error
    if names is None:
        raise PrefectSettingsError(f"{path} holds something that is no profile of Prefect's: {way_out}.")
    asked = os.environ.get("PREFECT_PROFILE") or profiles.get("active")
    if asked and asked not in names | _shipped_profiles():
        os.environ["PREFECT_PROFILE"] = _DEFAULT_PROFILE  # which Prefect takes in its place, with a cry
        print(
            f"warning: {path} has no profile {asked!r}: going on without one "
            "(`prefect profile use` chooses another).", file=sys.stderr,
        )  # fmt: skip


_DEFAULT_PROFILE = "ephemeral"


def _shipped_profiles() -> set[str]:
    """Names of the profiles that Prefect brings along."""
    spec = find_spec("prefect")
    assert spec is not None and spec.origin is not None
    text = (Path(spec.origin).parent / "settings" / "profiles.toml").read_text("utf-8")
    return set(tomllib.loads(text)["profiles"])


def _close_to_the_folder() -> None:
    """Let no later change of a setting read what lies in the current folder."""
    from prefect.settings.base import PrefectBaseSettings
    from prefect.settings.sources import TomlConfigSettingsSourceBase

    def read_nothing(*_: object, **__: object) -> dict[str, Any]:
        return {}

    TomlConfigSettingsSourceBase._read_files = read_nothing  # type: ignore[method-assign]
    models: list[type[Any]] = [PrefectBaseSettings]
    while models:
        model = models.pop()
        model.model_config["env_file"] = None
        models += model.__subclasses__()


def _describe(error: "ValidationError | SettingsError") -> str:
    """The first thing that is wrong, in a line."""
    details: list[Any] = getattr(error, "errors", list)()
    if not details:
        return " ".join(str(error).split())
    field, value = str(details[0]["loc"][-1]).upper(), details[0]["input"]
    ours = [name for name in os.environ if name.upper().startswith("PREFECT_")]
    given = (name for name in ours if name.upper().endswith(field) and os.environ[name] == value)
    name = next(given, field)
    return f"{name} cannot be {value!r} ({details[0]['msg']})"
