"""Questions to a report: who sees what of whom, as filters over its exposures."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeVar

from confide.errors import QuestionError
from confide.plan import Condition, Exposure, Form, Standing, What

__all__ = ["KEYS", "Question", "parsed"]

_Word = TypeVar("_Word", bound=Enum)

_WORDS: Final[Mapping[str, type[Enum]]] = {
    "form": Form,
    "what": What,
    "condition": Condition,
    "standing": Standing,
}

_BETWEEN: Final = re.compile(r",(?=\s*[a-z]+\s*=)")
_MOST_NAMES: Final = 12
_LEAST_PART: Final = 4
"""A part of a word that no other word has is enough, if it has this many letters."""

KEYS: Final = ("observer", "party", *_WORDS)
"""What a question may ask for."""


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question: who sees what of whom. A field that is None matches everything.

    Attributes:
        observer: Only what this observer sees.
        party: Only values that are, or may be, of this party, or have its part in them.
        form: Only values in this form.
        what: Only this kind of value.
        condition: Only under this condition.
        standing: Only observers of this standing.
    """

    observer: str | None = None
    party: str | None = None
    form: Form | None = None
    what: What | None = None
    condition: Condition | None = None
    standing: Standing | None = None

    @classmethod
    def of(
        cls,
        known: Iterable[Exposure],
        *,
        observer: str | None = None,
        party: str | None = None,
        form: Form | str | None = None,
        what: What | str | None = None,
        condition: Condition | str | None = None,
        standing: Standing | str | None = None,
    ) -> Question:
        """A question about the observers and parties of a report.

        Args:
            known: The report's exposures.
            observer: The observer's name.
            party: The party's name.
            form: The form, or its word.
            what: The kind of value, or its word.
            condition: The condition, or its word.
            standing: The standing, or its word.

        Raises:
            QuestionError: If there is no such observer, party or word.
        """
        observers = dict.fromkeys(e.observer for e in known)
        names = [o.name for o in observers]
        parties = [o.name for o in observers if o.party is not None]
        _check("observer", observer, names)
        if party in names and party not in parties:
            raise QuestionError(
                f"{party!r} is an observer and no party: ask what it sees, by observer={party}"
            )
        _check("party", party, parties)
        return cls(
            observer=observer,
            party=party,
            form=_word("form", Form, form),
            what=_word("what", What, what),
            condition=_word("condition", Condition, condition),
            standing=_word("standing", Standing, standing),
        )

    def answer(self, exposures: Iterable[Exposure]) -> tuple[Exposure, ...]:
        """The exposures that match."""
        return tuple(filter(self._matches, exposures))

    def _matches(self, e: Exposure) -> bool:
        return (
            self.observer in (None, e.observer.name)
            and (self.party is None or e.concerns(self.party))
            and self.form in (None, e.form)
            and self.what in (None, e.what)
            and self.condition in (None, e.condition)
            and self.standing in (None, e.observer.standing)
        )


def parsed(told: Iterable[str]) -> dict[str, str]:
    """Reads a question from 'party=north' and 'form=plaintext', or both with a comma between.

    Args:
        told: Pairs as on the command line.

    Raises:
        QuestionError: If a pair has no equals sign, its key is unknown, or it comes twice.
    """
    found: dict[str, str] = {}
    for pair in (each.strip() for text in told for each in _BETWEEN.split(text)):
        key, equals, value = (part.strip() for part in pair.partition("="))
        if not (equals and value):
            raise QuestionError(f"--who {pair!r}; write it like --who party=north,form=plaintext")
        if key not in KEYS:
            raise QuestionError(f"--who asks for {key!r}; {_nearest(key, KEYS)}")
        if key in found:
            raise QuestionError(f"--who asks for {key!r} twice; ask once for each")
        found[key] = value
    return found


def _check(key: str, name: str | None, names: list[str]) -> None:
    if name is not None and name not in names:
        raise QuestionError(f"no {key} {name!r} in this report; {_nearest(name, names)}")


def _word(key: str, kind: type[_Word], word: _Word | str | None) -> _Word | None:
    if word is None or isinstance(word, kind):
        return word
    asked, words = str(word).lower().replace("_", " "), [str(member.value) for member in kind]
    for member in kind:
        if asked in (member.value, member.name.lower().replace("_", " ")):
            return member
    holding = [member for member in kind if asked in str(member.value)]
    if len(holding) == 1 and len(asked) >= _LEAST_PART:
        return holding[0]
    raise QuestionError(f"{key} {word!r} is unknown; {_nearest(str(word), words)}")


def _nearest(name: str, known: Iterable[str]) -> str:
    """The nearest known name and the others; of many, the first few."""
    choices = list(known)
    close = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]!r}? " if close else ""
    more = len(choices) - _MOST_NAMES
    others = f" and {more:,} more" if more > 0 else ""
    return f"{hint}known here: {', '.join(map(repr, choices[:_MOST_NAMES]))}{others}"
