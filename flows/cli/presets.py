"""`pst presets`."""

from pst_core.settings.config import PRESETS, Config
from pst_core.settings.measured import COMMAND, MEASURED


def presets() -> None:
    """Print the presets, what each one reaches, and its settings that are not the default's."""
    usual = Config()
    for name, changed in PRESETS.items():
        print(name)
        if name in MEASURED:
            print(f"  {MEASURED[name]}")
        for setting, value in changed.items():
            print(f"  {setting} = {plain(value)} (default: {plain(getattr(usual, setting))})")
    print(f"Measured by: {COMMAND}")


def plain(value: object) -> str:
    """A setting's value as it is written on the command line."""
    return "none" if value is None else str(value)
