"""Makes text harmless for a terminal or a page, whoever wrote it."""

import re
from typing import Final

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # all but tab and line feed
_REORDERING: Final = re.compile("[\u202a-\u202e\u2066-\u2069]")
_MARKS: Final = re.compile("[\u200e\u200f\u061c]")
_RIGHT_TO_LEFT: Final = re.compile(
    "[\u0590-\u061b\u061d-\u08ff\ufb1d-\ufdff\ufe70-\ufefc\U00010800-\U00010fff"
    "\U0001e800-\U0001efff]"
)

_PLACES: Final = re.compile(
    r" (?:to|for) user '[^']*'@'[^']*'|(?<= account) \S+@\S+(?= of tables)"
    r"| FROM `[^`]*`(?:@`[^`]*`)?|, by (?:`[^`]*`|PUBLIC)| at \S*[/:]\S*|\w+://\S+"
    r"|(?<![\w./])/(?:[\w.@~-]+/)+[\w.@~-]*"
)


def make_visible(text: str, *, right_to_left: bool = False) -> str:
    """Remove what takes over a terminal, or shows letters in another order than they have.

    Control characters become U+FFFD. Embeddings, overrides and isolates of directions go: letters
    have a direction of their own, by which Arabic and Hebrew stay readable. The marks of a
    direction stay where such letters are, or `right_to_left` says that they were before.
    """
    text = _REORDERING.sub("", text.replace("\r\n", "\n"))
    if not right_to_left and not is_right_to_left(text):
        text = _MARKS.sub("", text)
    return _CONTROLS.sub(REPLACEMENT, text)


def is_right_to_left(text: str) -> bool:
    """Tell whether some letters of a text are written from right to left."""
    return bool(_RIGHT_TO_LEFT.search(text))


def hide_places(text: str) -> str:
    """Return a text without the accounts, sockets and directories of this machine."""
    return _PLACES.sub("", text)
