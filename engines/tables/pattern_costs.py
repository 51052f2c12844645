"""How long MariaDB may search a text for a regular expression.

Its library goes back as often as it can, and is stopped by nothing but a limit on what it tries
from one place of the text: that takes 0.1 s, and there is a place behind each sign.
"""

import math
import re
from itertools import pairwise
from typing import Final

LONGEST_PATTERN: Final = 1000  # characters
FROM_ONE_PLACE: Final = 7 * 10**8  # steps that the limit allows: 0.1 s
_MOST = 50  # repetitions and choices that are counted; more of them make no difference
_STEPS = 5  # that one way of reading a text takes
_STEPS_OF_CHOICE = 300  # the same where there are choices: 40 ns
_PART = re.compile(
    r"\\.|\[\^?\]?(?:\\.|\[:\w+:\]|[^\]\\])*\]|\{\d*(?:,\d*)?\}|.",
    re.DOTALL,
)


def count_search_steps(pattern: str, length: int) -> int:
    """Count the steps that a search takes at most in a text of `length` characters.

    Each open repetition tries every length, each choice in parentheses every branch. Where
    parentheses are repeated, ways multiply up to the limit of the library. A pattern that begins
    with ^ is tried from one place alone.
    """
    parts = _split_pattern(pattern)
    places = 1 if _is_anchored(parts) else length + 1
    if any(left == ")" and right[0] in "*+{" for left, right in pairwise(parts)):
        return places * FROM_ONE_PLACE
    repetitions = min(sum(map(_is_open, parts)), _MOST)
    ways: int = length**repetitions // math.factorial(repetitions + (places > 1))
    choices: int = 2 ** min(parts.count("?"), _MOST) * _count_branches(parts)
    return (_STEPS if choices == 1 else _STEPS_OF_CHOICE) * places * max(1, ways) * choices


def _is_open(part: str) -> bool:
    """Whether a part repeats what is before it as often as it likes, and not a written number."""
    return part in ("*", "+", "{") or (part[0] == "{" and "," in part)


def _split_pattern(pattern: str) -> list[str]:
    """Split into signs, escapes and sets of signs; into signs alone where those are in doubt."""
    parts = [found[0] for found in _PART.finditer(pattern)]
    following = zip(parts, [*parts[1:], ""], [*parts[2:], "", ""], strict=False)
    if any(
        one in ("[", r"\Q") or (one == "(" and (two == "*" or (two == "?" and three != ":")))
        for one, two, three in following
    ):
        return [*pattern]
    return ["x" if part[0] in "\\[" else part for part in parts]


def _is_anchored(parts: list[str]) -> bool:
    """Whether all branches of a pattern begin with ^."""
    depth = 0
    for part in parts:
        depth += (part == "(") - (part == ")")
        if part == "|" and depth <= 0:
            return False
    return parts[:1] == ["^"]


def _count_branches(parts: list[str]) -> int:
    """Count the ways through all parentheses with choices."""
    ways, open_groups = 1, [1]
    for part in parts:
        if part == "(":
            open_groups.append(1)
        elif part == "|":
            open_groups[-1] += 1
        elif part == ")" and len(open_groups) > 1:
            ways = min(ways * open_groups.pop(), 2**_MOST)
    return ways * open_groups[-1]
