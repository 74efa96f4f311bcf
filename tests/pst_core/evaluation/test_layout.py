import pytest
from drawn_pictures import row
from PIL import ImageFont

from pst_core.errors import ConfigError
from pst_core.evaluation.crops import Crop
from pst_core.evaluation.figures import draw_comparison
from pst_core.evaluation.layout import paginate, wrap_text

FONT = ImageFont.load_default(16)


def test_the_width_and_the_number_of_rows_an_error_names_can_be_drawn():
    draw_comparison([row()], width=424)
    draw_comparison([row()] * 10)


@pytest.mark.parametrize("inset", [False, True])
def test_pages_hold_all_rows_in_order_and_as_many_as_can_be_drawn(inset):
    rows = [row((Crop(0, 0, 30, 20),) * (n % 3), name=f"pair {n}") for n in range(23)]
    pages = paginate(rows, inset=inset)
    assert [each.name for page in pages for each in page] == [each.name for each in rows]
    assert len(pages) > 1
    for page, following in zip(pages, [*pages[1:], None], strict=True):
        draw_comparison(page, inset=inset)
        if following:
            with pytest.raises(ConfigError, match="rows a figure"):
                draw_comparison([*page, following[0]], inset=inset)
    assert paginate(rows[:2]) == (tuple(rows[:2]),)


@pytest.mark.parametrize(
    "text", ["one", "some words of an ordinary length", "x" * 200, "a " + "y" * 90 + " b"]
)
def test_wrapped_lines_fit_and_lose_nothing(text):
    lines = wrap_text(text, FONT, 120)
    assert all(FONT.getlength(line) <= 120 for line in lines)
    assert "".join(lines).replace(" ", "") == text.replace(" ", "")


def test_what_is_over_is_marked():
    lines = wrap_text("words " * 50, FONT, 120, lines=2)
    assert len(lines) == 2 and lines[-1].endswith("…") and FONT.getlength(lines[-1]) <= 120
    assert wrap_text("short", FONT, 120, lines=2) == ["short"]
    assert wrap_text("", FONT, 120, lines=2) == [""]
