"""Names that people tell apart by looking at them."""

import re
from typing import Final

# What is called printable and shows nothing: fillers, an empty pattern, and what chooses between
# forms of the letter before.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U000e0100-\U000e01ef]"
)


def find_hidden(name: str) -> str | None:
    """Find the first character that nobody sees, or that looks like a space and is none."""
    return next((sign for sign in name if not sign.isprintable() or _BLANK.match(sign)), None)
