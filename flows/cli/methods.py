"""`pst methods`."""

from flows.cli.presets import plain
from pst_core.settings.methods import METHODS


def methods() -> None:
    """Print the methods with their sources and recipes."""
    for name, method in METHODS.items():
        print(f"{name}: {method.title} ({method.source})")
        for setting, value in method.settings.items():
            print(f"  {setting} = {plain(value)}")
