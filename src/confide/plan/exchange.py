"""Exchanges: computations that are not sums.

A few parties in roles send each other declared messages.

An exchange declares who holds which role and every message: its name, from whom to whom, in which
form, whose data it is computed from and how large it is at most. All rounds send the same messages
in the same order; any other message is an error. So what each observer sees follows from the
declaration, as it does for sums (`confide.plan.exchange_exposures`).

The form says who can read a message (Goldreich 2004, Foundations of Cryptography II, §7.2: a
party's view is its own input and the messages that it receives).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from confide.errors import PlanError
from confide.plan.fields import Written, in_file
from confide.plan.protection import Masked, NoNoise, OpenCrowd
from confide.plan.task import Code, Task
from confide.plan.value import Value

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "MAX_MESSAGE_BYTES",
    "OF_SUMS",
    "Exchange",
    "Message",
    "MessageForm",
    "Role",
    "check_exchanges",
]

MAX_MESSAGE_BYTES: Final = 1 << 30
"""The largest message that may be declared: 1 GiB."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class MessageForm(Enum):
    """In which form the content of a message is.

    Keys, ciphertexts and encrypted results name the role whose secret key they belong to. An
    encrypted result is re-randomised: its sender added a fresh encryption of zero and noise that is
    much larger than the error (Ducas and Stehlé 2016, Sanitization of FHE Ciphertexts, §1), so that
    the ciphertext tells an honest key holder no more than the result. A result is opened with noise
    that hides the key (`confide.he.decrypt_shared`).
    """

    PUBLIC_KEY = "public-key"
    EVALUATION_KEYS = "evaluation-keys"
    CIPHERTEXT = "ciphertext"
    ENCRYPTED_RESULT = "encrypted-result"
    RESULT = "result"
    PLAINTEXT = "plaintext"

    @property
    def holds_data(self) -> bool:
        """Whether it is computed from somebody's data."""
        return self not in {MessageForm.PUBLIC_KEY, MessageForm.EVALUATION_KEYS}

    @property
    def encrypted(self) -> bool:
        """Whether only the holder of a secret key can read it."""
        return self in {MessageForm.CIPHERTEXT, MessageForm.ENCRYPTED_RESULT}

    @property
    def keyed(self) -> bool:
        """Whether it belongs to a secret key."""
        return self.encrypted or not self.holds_data


@dataclass(frozen=True, kw_only=True)
class Role(Value):
    """What a party does in an exchange.

    Attributes:
        name: Lower-case identifier, unique within the exchange.
        party: The name of the party that holds the role.
    """

    name: str
    party: str

    def _check(self) -> None:
        _check_name("role", self.name)


@dataclass(frozen=True, kw_only=True)
class Message(Value):
    """One declared message.

    Attributes:
        name: Lower-case identifier, unique within the exchange.
        sender: The role that sends it.
        receiver: The role that it is for.
        form: In which form its content is.
        of: The roles whose data it is computed from; none for keys.
        key: The role whose secret key it belongs to, for keys and for what is encrypted.
        shape: The shape of the numbers in it; () is one number. Omitted for keys.
        max_bytes: The most bytes of its content; more are refused unread.
        meaning: What it is, in words.
    """

    name: str
    sender: str
    receiver: str
    form: MessageForm
    of: tuple[str, ...] = ()
    key: str | None = None
    shape: tuple[int, ...] | None = None
    max_bytes: int
    meaning: str = ""

    def _check(self) -> None:
        _check_name("message", self.name)
        if self.sender == self.receiver:
            raise PlanError(
                f"message {self.name!r} goes from role {self.sender!r} to itself; a message goes "
                "from one role to another"
            )
        if not 1 <= self.max_bytes <= MAX_MESSAGE_BYTES:
            raise PlanError(
                f"message {self.name!r} has max_bytes {self.max_bytes}; it is at least 1 and at "
                f"most {MAX_MESSAGE_BYTES:,}"
            )
        object.__setattr__(self, "of", tuple(sorted(set(self.of))))
        self._check_form()

    def _check_form(self) -> None:
        form = self.form.value
        if self.form.holds_data != bool(self.of):
            raise PlanError(
                f"message {self.name!r} is of form {form!r} and computed from the data of "
                f"{list(self.of)}; name the roles whose data it holds in 'of', and no role for keys"
            )
        if self.form.holds_data == (self.shape is None):
            raise PlanError(
                f"message {self.name!r} is of form {form!r} and has the shape {self.shape}; "
                "give the shape of its numbers, and no shape for keys"
            )
        if self.form.keyed == (self.key is None):
            raise PlanError(
                f"message {self.name!r} is of form {form!r} and has the key {self.key!r}; name the "
                "role whose secret key it belongs to, for keys and for what is encrypted alone"
            )
        if not self.form.holds_data and self.key != self.sender:
            raise PlanError(
                f"message {self.name!r} holds keys of role {self.key!r} and comes from role "
                f"{self.sender!r}; the role that has the secret key makes and sends them"
            )
        for size in self.shape or ():
            if size < 1:
                raise PlanError(
                    f"message {self.name!r} has the shape {self.shape}; sizes are at least 1"
                )

    @property
    def numbers(self) -> int:
        """How many numbers it holds; 0 for keys."""
        return 0 if self.shape is None else math.prod(self.shape)

    @property
    def read_by_receiver(self) -> bool:
        """Whether its receiver can read what is in it."""
        return self.form.holds_data and (not self.form.encrypted or self.key == self.receiver)

    @property
    def tells_result(self) -> bool:
        """Whether it is a result of the exchange, encrypted or opened."""
        return self.form in {MessageForm.ENCRYPTED_RESULT, MessageForm.RESULT}

    @property
    def is_opened(self) -> bool:
        """Whether its receiver decrypts it: a result, or what is computed on the way to one."""
        return self.form.encrypted and self.key == self.receiver

    @property
    def told(self) -> str:
        """What it is, in words."""
        return self.meaning or self.name.replace("_", " ").replace("-", " ")


@dataclass(frozen=True, kw_only=True)
class Exchange(Value):
    """A stage of declared messages between parties in roles.

    It needs no masking, adds no noise and works with two parties.

    Attributes:
        name: Lower-case identifier, unique within the plan.
        task: What is computed, by name.
        code: Which installed package computes it.
        roles: Who does what; each is held by a party of its own.
        messages: What is sent in each round, in this order.
        rounds: How many rounds.
    """

    name: str = "exchange"
    task: Task = field(metadata=in_file(form=Written.OPEN))
    code: Code = field(metadata=in_file(follows=True))
    roles: tuple[Role, ...] = field(metadata=in_file(key="role"))
    messages: tuple[Message, ...] = field(metadata=in_file(follows=True))
    rounds: int = 1

    def _check(self) -> None:
        _check_name("stage", self.name)
        if self.rounds < 1:
            raise PlanError(f"rounds is {self.rounds}; it is at least 1")
        if len(self.roles) < 2 or not self.messages:
            raise PlanError(
                f"exchange {self.name!r} has {len(self.roles)} roles and {len(self.messages)} "
                "messages; at least 2 roles and a message between them are needed"
            )
        _refuse_repeated(f"roles of exchange {self.name!r} share the name", self._role_names)
        _refuse_repeated(
            f"roles of exchange {self.name!r} are held by party", (r.party for r in self.roles)
        )
        _refuse_repeated(
            f"messages of exchange {self.name!r} share the name", (m.name for m in self.messages)
        )
        used: set[str] = set()
        for place, message in enumerate(self.messages):
            self._check_message(place, message)
            used |= {message.sender, message.receiver}
        if idle := sorted(set(self._role_names) - used):
            raise PlanError(
                f"role {idle[0]!r} of exchange {self.name!r} sends and receives no message; leave "
                "it out, or declare its messages"
            )

    def _check_message(self, place: int, message: Message) -> None:
        for name in (message.sender, message.receiver, *message.of, *filter(None, [message.key])):
            if name not in self._role_names:
                raise PlanError(
                    f"message {message.name!r} of exchange {self.name!r} names role {name!r}; its "
                    f"roles are {', '.join(self._role_names)}"
                )
        received = [m for m in self.messages[:place] if m.receiver == message.sender]
        # To compute on ciphertexts takes evaluation keys, to encrypt or re-randomise a public one.
        enough = {MessageForm.PUBLIC_KEY}
        if message.form is MessageForm.CIPHERTEXT:
            enough.add(MessageForm.EVALUATION_KEYS)
        has_key = message.key == message.sender or any(
            m.form in enough and m.key == message.key for m in received
        )
        if message.form.encrypted and not has_key:
            raise PlanError(
                f"message {message.name!r} is encrypted under the key of role {message.key!r}, "
                f"but role {message.sender!r} has not received the public key by then: declare "
                "a message of "
                f"form 'public-key' from {message.key!r} to {message.sender!r} before it"
            )

    @property
    def _role_names(self) -> tuple[str, ...]:
        return tuple(role.name for role in self.roles)

    @property
    def parties(self) -> frozenset[str]:
        """The names of the parties that hold a role."""
        return frozenset(role.party for role in self.roles)

    def party_of(self, role: str) -> str:
        """The name of the party that holds a role.

        Raises:
            PlanError: If there is no such role.
        """
        for each in self.roles:
            if each.name == role:
                return each.party
        raise PlanError(
            f"no role {role!r} in exchange {self.name!r}; it has {', '.join(self._role_names)}"
        )

    def role_of(self, party: str) -> str:
        """The role that a party holds.

        Raises:
            PlanError: If it holds none.
        """
        for each in self.roles:
            if each.party == party:
                return each.name
        raise PlanError(f"party {party!r} holds no role in exchange {self.name!r}")

    def is_evaluator(self, role: str) -> bool:
        """Whether a role computes on others' data: it receives some that is not a result."""
        return any(
            m.receiver == role and m.form.holds_data and not m.tells_result and set(m.of) - {role}
            for m in self.messages
        )


OF_SUMS: Final[dict[str, Any]] = {
    "dropouts": 0,
    "crowd": OpenCrowd(),
    "aggregation": Masked(),
    "noise": NoNoise(),
}
"""The fields that say how sums are formed and protected, with their values in a plan without
sums."""


def check_exchanges(plan: Plan) -> None:
    """Refuses exchanges of unknown parties, and parties with nothing to do.

    Raises:
        PlanError: Naming the party.
    """
    held: set[str] = set()
    for exchange in plan.exchanges:
        for name in sorted(exchange.parties):
            plan.party(name)
        held |= exchange.parties
    for party in plan.parties:
        if not plan.sum_stages and party.name not in held:
            raise PlanError(
                f"party {party.name!r} holds no role in exchange {plan.stages[0].name!r}, and the "
                "plan has no sums that it contributes to: give it a role, or leave it out"
            )
    changed = [name for name, default in OF_SUMS.items() if getattr(plan, name) != default]
    if changed and not plan.sum_stages:
        raise PlanError(
            f"a plan without sums that sets {', '.join(changed)}: these say how sums are formed "
            "and protected, and an exchange has no sums. Leave them out"
        )


def _check_name(what: str, name: str) -> None:
    if not _NAME.fullmatch(name):
        raise PlanError(f"a {what} named {name!r}; a name is like 'evaluator' or 'public-key'")


def _refuse_repeated(what: str, values: Iterable[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise PlanError(f"{count} {what} {value!r}; each needs its own")
