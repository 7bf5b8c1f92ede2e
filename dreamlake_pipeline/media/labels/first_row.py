"""Whether the first row of a table names the columns, where no sort of value tells: above columns of text.

Each column has a vote. For a name speak words that columns are often called by, and cells below that are alike in a way
that the first one is not: `cup` above `img_01.png`, `img_02.png`. For a row speak a cell that comes again below, one
that is like all below it, and one word twice in the row.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from .dialect import is_value

_MANY = 6  # cells, from which on a column of few different words is a choice among these

_NAMES = frozenset(
    re.findall(
        r"\S+",
        """action actions actor annotation answer attribute author begin brand camera caption category city class
        code color colour column comment content country cue data date datetime description device dir direction
        email end environment episode error event field file filename firstname folder format frame from gender
        goal group host id identifier image img index instruction item kind label labels lang language lastname
        level license line link location message method mode model name names note notes object objects operator
        order origin output owner parent part path phase position prompt property question reason relation
        remark result robot role room scene section segment sensor serial session set side skill source speaker
        split stage start state status string subject subtask surname tag tags target task tasks text time
        timestamp title to topic transcript translation type unit units url user username uuid value values verb
        version video what when where who word words""",
    )
)
_WORDS = re.compile(r"[^\W\d_]+")
_DIGITS = re.compile(r"[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def names_columns(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool | None:
    """Whether a row names the columns of text of those below it, which have as many cells; None where nothing tells.

    A header comes again where files were joined, but not among so few rows as a row does.
    """
    first = [cell.strip() for cell in first]
    given = [cell for cell in first if cell]
    others = [cells for row in below if (cells := [cell.strip() for cell in row]) != first]
    copies = len(below) - len(others)
    if not given or (copies and 4 * copies >= len(below)):
        return False
    columns = [[cell for row in others if (cell := row[at])] for at in range(len(first))]
    again = sum(cell in cells for cell, cells in zip(first, columns, strict=True) if cell)
    if 2 * again > len(given):
        return False
    votes = sum(_vote(cell, cells) for cell, cells in zip(first, columns, strict=True) if cell and cells)
    votes -= sum(count - 1 for count in Counter(given).values())
    return votes > 0 if votes else None


def _vote(cell: str, below: Sequence[str]) -> int:
    """1 where a cell is the name of those below it, -1 where it is one of them, 0 where nothing tells."""
    if cell in below:
        return -1 if len(set(below)) > 1 else 0  # what is the same throughout may as well have its own name
    if 2 * sum(map(is_value, below)) > len(below):
        return 0 if is_value(cell) else 2
    if is_value(cell) or (_is_usual_name(cell) and not any(map(_is_usual_name, below))):
        return 1
    shapes = {_shape(one) for one in below}
    if shapes == {"a"}:
        return _vote_of_words(cell, below)
    if 2 * len(shapes) <= len(below) + 1 < 2 * len(below) and "a" not in shapes:  # most are alike
        return -1 if _shape(cell) in shapes else 1
    fewest = min(len(one.split()) for one in below)
    if fewest < 3:
        return 0
    return 1 if len(cell.split()) < fewest else -1  # sentences


def _vote_of_words(cell: str, below: Sequence[str]) -> int:
    """The same of words of letters alone: they tell by their case, or when they are few that come again and again."""
    if all(one.isupper() for one in below) and not cell.isupper():
        return 1
    return int(len(below) >= _MANY and 3 * len(set(below)) <= len(below))


def _is_usual_name(cell: str) -> bool:
    words = [word.lower() for word in _WORDS.findall(_CAMEL.sub(" ", cell))]
    return 0 < len(words) <= 3 and bool(_NAMES.intersection(words)) and not cell.endswith((".", "!", "?"))


def _shape(cell: str) -> str:
    """A cell with `a` in the place of letters, and `9` in that of digits: `img_01.png` and `img_2.jpg` are `a_9.a`."""
    return _DIGITS.sub("9", _WORDS.sub("a", cell))
