# ruff: noqa: RUF001 - letters that look alike are what this is about
"""Names that people can distinguish: one form for each, and a question if two look alike.

A dataset under a second spelling would have a budget of its own. So names are kept in Unicode's
form NFKC, and a new one that looks like an existing one needs a confirmation.

References:
    Unicode Standard Annex 15 (normalisation) and Technical Standard 39, §4 (confusables).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from confide.errors import DataError

__all__ = ["check_name", "look_alike", "normal_form"]

_LONGEST_NAME: Final = 200

_LIKE: Final[dict[str, str]] = {
    both[0]: both[1]
    for pairs in (
        "аa вb еe ѕs іi јj кk мm нh оo рp сc тt уy хx ԛq ԝw һh ԁd ѵv гr пn ӏl бb ьb",
        "αa βb γy εe ηn ιi κk νv οo ρp τt υu χx ωw ϲc ϳj ζz",
        "օo ոn սu հh ցg զq աw",
        "ıi łl øo đd ħh ɑa ɡg",
    )
    for both in pairs.split()
}
"""Letters of other scripts that fonts draw like Latin ones, in lower case: Cyrillic, Greek,
Armenian, and Latin letters that do not decompose."""

_SIGNS: Final = {"0": "o", "1": "l", "i": "l", "|": "l"}
_SEPARATORS: Final = frozenset("-_.·\N{HYPHEN}\N{MINUS SIGN}\N{EN DASH}\N{EM DASH}")


def normal_form(name: str) -> str:
    """A name in the form in which it is kept: Unicode's NFKC."""
    return unicodedata.normalize("NFKC", name)


def check_name(name: str, what: str = "a dataset") -> str:
    """The name in its normal form, if readers can distinguish it from others.

    Raises:
        DataError: If it is not a text, is empty or too long, or has blanks at its ends or
        characters that do not print.
    """
    if not isinstance(name, str):
        raise DataError(f"{what} named by a {type(name).__name__}; a name is a text")
    kept = normal_form(name)
    if not 1 <= len(kept) <= _LONGEST_NAME or not kept.isprintable() or kept != kept.strip():
        raise DataError(
            f"{what} named {name!r}; a name has 1 to {_LONGEST_NAME} printable characters and no "
            "blanks at its ends"
        )
    return kept


def look_alike(name: str, others: Iterable[str]) -> str | None:
    r"""Another name that people take for this one, or None.

    Example:
        >>> look_alike("lo\u0430ns", ["loans", "homes"])  # with a Cyrillic letter
        'loans'
    """
    looks = _skeleton(name)
    return next((other for other in others if other != name and _skeleton(other) == looks), None)


def _skeleton(name: str) -> str:
    """A name with letters that look alike made equal: case, accents, scripts."""
    plain = unicodedata.normalize("NFKD", normal_form(name).casefold())
    kept = (c for c in plain if not unicodedata.combining(c))
    # A letter of another script first, as its Latin likeness may itself look like a digit.
    latin = (_LIKE.get(c, c) for c in kept)
    same = "".join(_SIGNS.get(c, "-" if c in _SEPARATORS or c.isspace() else c) for c in latin)
    return same.replace("rn", "m").replace("vv", "w")
