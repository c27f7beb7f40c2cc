"""The sentences of a report's first page: each is a claim with its facts, never free text.

A sentence is a `Claim` and the facts that fill its wording. All wordings stand in one table, so no
sentence can be added without a claim, and the tests hold one check against each claim: it runs the
attack, or computes the number, that the sentence states.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

__all__ = ["WORDING", "Claim", "Fact", "Sentence", "Tone"]

Fact = str | int | float
"""One fact of a sentence."""


class Tone(Enum):
    """Whether a sentence is good news, bad news or neither."""

    GOOD = "good"
    FAIR = "fair"
    BAD = "bad"
    PLAIN = "plain"


class Claim(Enum):
    """The kinds of sentences on a first page."""

    PRIVATE = "private"
    AT_CAPACITY = "private at capacity"
    HIDDEN = "hidden"
    AS_ABOVE = "the same verdict as above"
    EXACT = "not private: exact"
    NOT_PRIVATE = "not private"
    TRUSTED = "trusted reader"

    PLAN = "plan"
    WARNING = "warning"

    EXACT_SUMS = "exact sums"
    NOISY_SUMS = "noisy sums"
    OTHERS_SUMS = "sums over others"
    CLASSES = "totals of classes of cohorts"
    TURNS = "which cohort is asked"
    STATE = "state"
    RESULT = "result"
    READS_EACH = "reads each contribution"
    VECTORS = "hidden vectors"
    SHARES = "shares of secrets"
    SUM_OF_KEYS = "sum of keys"
    CARRIES = "carries contributions"
    CARRIES_SUMS = "carries contributions and sums"
    TOOK_PART = "who took part"
    TRAFFIC = "traffic"
    DURATIONS = "durations"
    SAME = "the same as another"
    MESSAGE = "message of an exchange"
    MORE_METADATA = "more metadata"
    SAME_MESSAGES = "messages that another has too"
    CARRIED = "messages that the channel encrypts"
    OTHER = "what one protection alone has"

    DIFFERENCES = "differences of sums"
    NOISY_DIFFERENCES = "differences of noisy sums"
    STATE_BY_COORDINATOR = "state of the coordinator's choice"
    STATE_BY_PARTY = "state of a party's choice"

    OPEN_VECTORS = "cannot read contributions"
    SINGLE_OUT = "cannot single out"
    OPEN_CARRIED = "cannot open what it carries"
    OPEN_MESSAGES = "cannot open messages of an exchange"
    OPEN_SUMS = "cannot see the coordinator's view"
    MISS_NOISE = "cannot see sums without noise"

    WAY_OUT = "way out"
    ACCEPT_EXACT = "accept exact sums"
    ACCEPT_GROUP = "accept what is seen of a group"
    ACCEPT_HIDDEN = "accept sums that nothing bounds"
    ACCEPT_EPSILON = "accept epsilon"
    ACCEPT_RESULT = "accept the result of an exchange"
    ACCEPT_TRUST = "accept trust"
    ACCEPT_SET = "accept that the result can be set"
    ACCEPT_MOVE = "accept that the result can be moved"


WORDING: Final[Mapping[Claim, str]] = MappingProxyType(
    {
        Claim.PRIVATE: "{each} {who} PRIVATE at ε = {epsilon} and δ = {delta} while {holds}.",
        Claim.AT_CAPACITY: (
            "At a party with {capacity} {units} or more: ε = {epsilon} (adding one pushes one out)."
        ),
        Claim.AS_ABOVE: "{each} {verdicts}, as above.",
        Claim.HIDDEN: "{each} {who} HIDDEN while {holds}.",
        Claim.EXACT: "{each} {who} NOT PRIVATE (ε = ∞){when}.",
        Claim.NOT_PRIVATE: "{each} {who} NOT PRIVATE{when}.",
        Claim.TRUSTED: "The {reader} reads each contribution. The plan trusts it.",
        Claim.PLAN: "Plan {plan}: {parties} parties ({missing}), {rounds}, {protection}, {noise}.",
        Claim.WARNING: "{text}",
        Claim.EXACT_SUMS: "{sums}: exact sums over {over}, {when}",
        Claim.NOISY_SUMS: "{sums}: sums with noise, over {over}, {when}",
        Claim.OTHERS_SUMS: "what is left of a sum without one's own part: at least {others} others",
        Claim.CLASSES: (
            "by subtracting these sums: what all parties of the same cohorts contribute together, "
            "{fewest} or more{noise}"
        ),
        Claim.TURNS: "which of {cohorts} cohorts each round asks, and who is in it",
        Claim.STATE: "the state after each round, which follows from the sums",
        Claim.RESULT: "the result, which follows from the sums",
        Claim.READS_EACH: "EACH PARTY'S CONTRIBUTION in clear: {sums}, {when}",
        Claim.VECTORS: "one {vector} from each party: {looks} to it",
        Claim.SHARES: "shares of {secrets} of {of}; {threshold} open one",
        Claim.SUM_OF_KEYS: "the sum of the parties' keys and errors, which opens the sum alone",
        Claim.CARRIES: "each {vector}, {how}",
        Claim.CARRIES_SUMS: "each {vector} and what opens the sums, encrypted by the channel",
        Claim.TOOK_PART: "which parties took part and which dropped out",
        Claim.TRAFFIC: "who talks to the coordinator, when, and how much",
        Claim.DURATIONS: "how long each party computes, which grows with its number of rows",
        Claim.SAME: "what the {other} sees, and nothing else",
        Claim.MORE_METADATA: "{value}",
        Claim.MESSAGE: "{value}: {how}",
        Claim.SAME_MESSAGES: "the messages of exchanges, in the form that the {other} has",
        Claim.CARRIED: "what the {other} sees of messages, encrypted by the channel",
        Claim.OTHER: "{value}: {how}",
        Claim.DIFFERENCES: (
            "subtract two sums, once a party misses one of them: what that party contributed, "
            "plus what the others changed"
        ),
        Claim.NOISY_DIFFERENCES: (
            "subtract two sums, once a party misses one of them: what that party contributed, with "
            "the noise of both sums"
        ),
        Claim.STATE_BY_COORDINATOR: (
            "by announcing false sums: choose the next state. Such a state can "
            "reveal single records in the next sums"
        ),
        Claim.STATE_BY_PARTY: (
            "by lying about its own data: move the next state. Such a state can "
            "reveal single records in the next sums"
        ),
        Claim.OPEN_VECTORS: "read one party's contribution, unless {failure}",
        Claim.SINGLE_OUT: "single out a party, unless {helpers}",
        Claim.OPEN_CARRIED: "open these, unless {failure}",
        Claim.OPEN_MESSAGES: "open what is encrypted for {holder}, unless {failure}",
        Claim.OPEN_SUMS: "see the coordinator's view, unless {failure}",
        Claim.MISS_NOISE: "see the sums without noise, unless {failure}",
        Claim.WAY_OUT: "{change}: then {effect}",
        Claim.ACCEPT_EXACT: "accept exact sums: knowing all other {units} gives the last one",
        Claim.ACCEPT_GROUP: "accept that the contribution of a {who} can become known{where}",
        Claim.ACCEPT_HIDDEN: "accept HIDDEN: no noise limits what the sums reveal about a {who}",
        Claim.ACCEPT_EPSILON: (
            "accept ε: attackers detect at most {found} % of {units} at 1 % false positives"
        ),
        Claim.ACCEPT_RESULT: "accept that {who} reads {value}",
        Claim.ACCEPT_TRUST: "accept that the {reader} reads each contribution, and may pass it on",
        Claim.ACCEPT_SET: "accept that {who} can set the result by lying",
        Claim.ACCEPT_MOVE: "accept that one party can move the result by lying, within its range",
    }
)
"""The wording of each claim; its facts stand in braces."""

_TONES: Final = {
    Claim.PRIVATE: Tone.GOOD,
    Claim.HIDDEN: Tone.FAIR,
    Claim.AS_ABOVE: Tone.GOOD,
    Claim.EXACT: Tone.BAD,
    Claim.NOT_PRIVATE: Tone.BAD,
    Claim.TRUSTED: Tone.FAIR,
    Claim.AT_CAPACITY: Tone.FAIR,
    Claim.WARNING: Tone.BAD,
    Claim.READS_EACH: Tone.BAD,
}


@dataclass(frozen=True)
class Sentence:
    """One sentence of a first page.

    Attributes:
        claim: Its kind.
        facts: What fills the wording, by name.
        text: The sentence.
    """

    claim: Claim
    facts: Mapping[str, Fact] = field(hash=False)
    text: str

    @classmethod
    def of(cls, claim: Claim, **facts: Fact) -> Sentence:
        """The sentence of a claim.

        Args:
            claim: Its kind.
            **facts: Exactly what its wording names.
        """
        return cls(claim, MappingProxyType(facts), WORDING[claim].format(**facts))

    @property
    def tone(self) -> Tone:
        """Whether it is good news, bad news or neither."""
        return _TONES.get(self.claim, Tone.PLAIN)
