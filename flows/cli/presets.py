"""`pst presets`."""

from pst_core.settings.config import PRESETS, Config


def presets() -> None:
    """Print the presets, and each one's settings that are not the default's."""
    usual = Config()
    for name, changed in PRESETS.items():
        print(name)
        for setting, value in changed.items():
            print(f"  {setting} = {plain(value)} (default: {plain(getattr(usual, setting))})")


def plain(value: object) -> str:
    """A setting's value as it is written on the command line."""
    return "none" if value is None else str(value)
