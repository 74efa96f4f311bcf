"""What the options of several commands have in common: panels in their help, types, and lists of names."""

from typing import Annotated

from cyclopts import Group, Parameter

from flows.workers.posts import Number

FILES, BATCH, SERVICE, EVALUATION, STUDY = (
    Group(name, sort_key=0) for name in ("Files", "Batch", "Service", "Evaluation", "Study")
)
SETTINGS, OUTPUT = Group("Settings", sort_key=1), Group("Output", sort_key=2)

OUT = Parameter(name=("--out", "-o"))
Flag = Annotated[bool, Parameter(negative=(), show_default=False)]
Switch = Annotated[Flag, Parameter(group=OUTPUT)]
Quiet = Annotated[Switch, Parameter(help="Print nothing but errors.")]
Json = Annotated[Switch, Parameter(name="--json")]

Workers = Annotated[Number | None, Parameter(group=BATCH)]
Pool = Annotated[str | None, Parameter(group=BATCH)]


def listed(text: str) -> tuple[str, ...]:
    """Names with commas between, each once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
