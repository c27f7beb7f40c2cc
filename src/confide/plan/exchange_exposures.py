"""What each observer learns from an exchange, from its declaration alone.

The sender, the receiver, the coordinator and the network each have every message in one form. The
coordinator may relay any message, so it counts as seeing all of them in the form in which they are
sent. A coalition within the threat sees what its members see: if key and ciphertext together would
reveal more, the plan cannot be made (`confide.plan.exchange_attacks`); coalitions beyond the threat
are listed here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from confide.plan.exchange import Exchange, Message, MessageForm
from confide.plan.exchange_attacks import corruption_of, other_parties
from confide.plan.exposures import (
    Condition,
    Exposure,
    Form,
    Guarantee,
    Observer,
    Standing,
    Subject,
    Verdict,
    What,
    hidden,
    unbounded,
)
from confide.plan.observers import of_coordinator, of_network, of_parties, standing
from confide.plan.protections.base import CHANNEL
from confide.plan.threat import Corruption

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = ["IN_CHANNEL", "exchange_exposures"]

IN_CHANNEL: Final = "encrypted by the channel; inside the channel, "
"""How the form of a message begins, as the network has it."""

_HARDNESS: Final = "ring-LWE or SHA-256 broken, or the secret key leaving {holder}"
_IN_CLEAR: Final = "in clear"


def exchange_exposures(plan: Plan, place: int) -> Iterator[Exposure]:
    """Who learns what from an exchange.

    Args:
        plan: The plan.
        place: The place of the exchange among the plan's stages.
    """
    stage = plan.stages[place]
    assert isinstance(stage, Exchange)  # noqa: S101 - narrows the type for mypy
    yield from _Seen(plan, stage, place).all()


@dataclass(frozen=True)
class _Seen:
    """What is seen of one exchange of a plan."""

    plan: Plan
    exchange: Exchange
    place: int

    def all(self) -> Iterator[Exposure]:
        for party in self._parties:
            for message in self.exchange.messages:
                if party.name == self._party(message.sender):
                    yield self._as_sent(message, party)
                elif party.name == self._party(message.receiver):
                    yield self._as_received(message, party)
            yield from self._by_cheating(party)
            yield self._metadata(party, "how long the others compute, and whether one stops")
        for carrier in (of_coordinator(self.plan), of_network(self.plan)):
            for message in self.exchange.messages:
                travels = self._as_it_travels(message, carrier)
                yield self._in_channel(travels) if carrier.network else travels
            yield self._metadata(
                carrier,
                "who sends which message, when, and how large",
            )
        yield from self._pooled()

    @property
    def _parties(self) -> Iterator[Observer]:
        """The holders of roles, each trusted or not as the plan says of its role."""
        adversary = self.plan.threat.confidentiality
        for observer in of_parties(self.plan):
            if observer.name in self.exchange.parties:
                role = self.exchange.role_of(observer.name)
                how_far = corruption_of(adversary, self.exchange, role)
                yield replace(observer, standing=standing(how_far))

    def _party(self, role: str) -> str:
        return self.exchange.party_of(role)

    # --- one message -----------------------------------------------------------------------------

    def _as_sent(self, message: Message, sender: Observer) -> Exposure:
        if not message.form.holds_data:
            return replace(self._as_it_travels(message, sender), detail="made by itself")
        if message.form.encrypted and message.key != message.sender:
            own = message.of == (message.sender,)
            seen = self._as_it_travels(message, sender)
            return self._own(seen) if own else seen
        return self._read(message, sender, "in full: it computed this itself")

    def _as_received(self, message: Message, receiver: Observer) -> Exposure:
        if message.read_by_receiver and message.form.encrypted:
            return self._read(message, receiver, "opened by its key")
        return self._as_it_travels(message, receiver)

    def _as_it_travels(self, message: Message, observer: Observer) -> Exposure:
        if not message.form.holds_data:
            holder = self._party(message.sender)
            return self._seen(
                message,
                observer,
                form=Form.PUBLIC_KEY,
                detail="made from randomness alone",
                guarantee=hidden(),
                assumption=_HARDNESS.format(holder=holder),
            )
        if message.form.encrypted:
            holder = self._party(message.key or "")
            return self._seen(
                message,
                observer,
                form=Form.CIPHERTEXT,
                detail=f"a ciphertext under {holder}'s key",
                guarantee=hidden(),
                assumption=_HARDNESS.format(holder=holder),
            )
        return self._read(message, observer, _IN_CLEAR)

    def _in_channel(self, travels: Exposure) -> Exposure:
        """What the network has of a message: the channel is around it."""
        detail = f"{IN_CHANNEL}{travels.detail}"
        if travels.form in (Form.PLAINTEXT, Form.RESULT):
            return replace(
                travels, detail=detail, form=Form.SEALED, guarantee=hidden(), assumption=CHANNEL
            )
        return replace(travels, detail=detail)

    def _read(self, message: Message, observer: Observer, detail: str) -> Exposure:
        seen = self._seen(
            message,
            observer,
            form=Form.RESULT if message.tells_result else Form.PLAINTEXT,
            detail=detail,
            guarantee=unbounded(),
        )
        colleagues = self._of_one_owner(message, observer)
        return self._own(seen) if colleagues else seen

    def _own(self, seen: Exposure) -> Exposure:
        return replace(
            seen,
            what=What.OWN_DATA,
            of=Subject.ITSELF,
            form=Form.PLAINTEXT,
            detail="in full",
            guarantee=unbounded(),
            assumption="",
        )

    def _of_one_owner(self, message: Message, observer: Observer) -> bool:
        """Whether a message holds data of the observer's own ownership group alone."""
        owners = {self.plan.owners[self._party(role)] for role in message.of}
        return observer.party is not None and owners == {self.plan.owners[observer.party]}

    def _seen(self, message: Message, observer: Observer, **how: Any) -> Exposure:
        whose = message.of if message.form.holds_data else (message.sender,)
        what = What.RESULT if message.tells_result else What.CONTRIBUTION
        return self._exposure(
            observer,
            what=what if message.form.holds_data else What.KEYS,
            value=message.told,
            whose=tuple(map(self._party, whose)),
            **how,
        )

    def _exposure(self, observer: Observer, **how: Any) -> Exposure:
        rounds, fields = self.exchange.rounds, {"of": Subject.NAMED} | how
        when = "once" if rounds == 1 else f"in each of {rounds} rounds"
        if len(self.plan.stages) > 1:
            when = f"{when} of stage {self.exchange.name!r}"
        return Exposure(observer=observer, when=when, stage=self.place, **fields)

    # --- more than messages ----------------------------------------------------------------------

    def _metadata(self, observer: Observer, value: str) -> Exposure:
        return self._exposure(
            observer,
            what=What.METADATA,
            value=f"in {self.exchange.name!r}, {value}",
            whose=tuple(sorted(self.exchange.parties)),
            form=Form.METADATA,
            detail="by taking part" if observer.party else "by carrying messages",
            guarantee=Guarantee(unit=Verdict.HIDDEN, group=Verdict.NOT_PRIVATE),
        )

    def _by_cheating(self, party: Observer) -> Iterator[Exposure]:
        """What a party that lies learns: by its keys and questions, or by its answers."""
        role = self.exchange.role_of(party.name)
        adversary = self.plan.threat.confidentiality
        if corruption_of(adversary, self.exchange, role) is not Corruption.MALICIOUS:
            return
        for message in self.exchange.messages:
            if not (message.form is MessageForm.ENCRYPTED_RESULT or message.is_opened):
                continue
            others = tuple(other_parties(self.plan, self.exchange, message, role))
            if others and message.receiver == role and message.read_by_receiver:
                yield self._chosen_inputs(message, party, others)
            if others and message.sender == role:
                yield self._reaction(message, party, others)

    def _chosen_inputs(
        self, message: Message, party: Observer, others: tuple[str, ...]
    ) -> Exposure:
        """A key holder that lies learns the model itself, and not only some of its results."""
        return self._exposure(
            party,
            what=What.CONTRIBUTION,
            value=f"what {message.told!r} is computed with",
            whose=others,
            form=Form.PLAINTEXT,
            detail="a whole linear model in one round, by chosen inputs or a false key",
            condition=Condition.BY_CHEATING,
            guarantee=unbounded(),
            remedy="parties that are not malicious (threat.confidentiality.parties)",
        )

    def _reaction(self, message: Message, party: Observer, others: tuple[str, ...]) -> Exposure:
        """Whether the key's holder stops after a result reveals something about its data."""
        return self._exposure(
            party,
            what=What.CONTRIBUTION,
            value=f"whether {self._party(message.receiver)} stops after a false result",
            whose=others,
            form=Form.RESULT,
            detail="about one bit; it sends another computation's result and sees the reaction",
            condition=Condition.BY_CHEATING,
            guarantee=unbounded(),
            remedy="an evaluator and parties that are not malicious "
            "(threat.confidentiality.evaluator)",
        )

    def _pooled(self) -> Iterator[Exposure]:
        """Who holds key and ciphertext together, beyond the threat."""
        for message in self.exchange.messages:
            if not message.form.encrypted or message.key in {None, message.receiver}:
                continue
            holder, receiver = self._party(message.key or ""), self._party(message.receiver)
            others = other_parties(self.plan, self.exchange, message, message.key or "")
            if others:
                yield self._exposure(
                    Observer(
                        name=f"{holder} and {receiver}, or a relay to it, together",
                        standing=Standing.BEYOND,
                        parties=2,
                        groups=2,
                    ),
                    what=What.CONTRIBUTION,
                    value=message.told,
                    whose=tuple(others),
                    form=Form.PLAINTEXT,
                    detail=f"in clear: {holder} has the key, the other has the ciphertext",
                    condition=Condition.BEYOND,
                    guarantee=unbounded(),
                )
