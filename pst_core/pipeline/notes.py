"""What a person should know about a result, as plain sentences."""

from collections.abc import Sequence

from pst_core.settings.config import Config


def notes_of(notes: Sequence[str], config: Config, *, unmatched: bool, trained: bool) -> tuple[str, ...]:
    """What a person should know about a result, as plain sentences.

    Parameters
    ----------
    notes
        On how the files were read and what regions were found; what is told of several styles is told once.
    unmatched
        Whether a region of the content has no counterpart in the style.
    trained
        Whether the network's weights were learned.
    """
    told = list(dict.fromkeys(notes))
    if unmatched:
        fate = "takes the whole style's look" if config.unmatched == "style" else "keeps its content"
        told.append(f"A region without a counterpart in the style {fate} (setting unmatched).")
    if not trained:
        told.append(
            "Made with the untrained network: colours and filters carry the style, not learned features."
        )
    return tuple(told)
