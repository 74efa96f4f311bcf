"""What happens to a result that is there already."""

from typing import Literal

OnConflict = Literal["changed", "skip", "overwrite", "unique", "fail"]
