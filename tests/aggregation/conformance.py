"""What every protection of a bounded sum keeps, as a suite to inherit.

A protection passes if its class inherits `ProtectionConformance`, says in `plan` which plans are
under it, and all tests pass:

    class TestMine(ProtectionConformance):
        def plan(self, **fields):
            return plan_of(aggregation=Mine(), **fields)
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aggregation.support import (
    STATE,
    Attempt,
    Federation,
    clear_plan,
    draw_contributions,
    flip_bit,
    sum_of,
)

from confide import canonical
from confide.aggregation import (
    Aggregator,
    Round,
    RoundRegister,
    coordinator_session,
    message_kinds,
)
from confide.aggregation.chunks import Incoming
from confide.aggregation.clear import ClearCoordinator
from confide.aggregation.enclave import EnclaveCoordinator
from confide.aggregation.enclave.consent import ConsentCoordinator
from confide.aggregation.sharing import SharingCoordinator
from confide.errors import (
    ConfideError,
    DropoutError,
    PlanError,
    ProtocolError,
    VerificationError,
)
from confide.plan import Norm, Plan, Sum, SumGroup, Unit, simulation_key
from confide.plan.parties import COORDINATOR

SHAPES = st.lists(st.integers(1, 9), max_size=2).map(tuple)

PLAIN = st.none() | st.booleans() | st.integers(0, 2**64 - 1) | st.text() | st.binary(max_size=80)
FIELDS = ["commitment", "mask_key", "share_key", "state", "vector", "keys", "seeds"]
PAYLOADS = st.one_of(
    st.binary(max_size=300),
    PLAIN.map(canonical.encode),
    st.lists(PLAIN, max_size=3).map(canonical.encode),
    st.sets(st.sampled_from(FIELDS), max_size=3)
    .flatmap(lambda names: st.fixed_dictionaries({n: PLAIN | st.lists(PLAIN) for n in names}))
    .map(canonical.encode),
)
"""What a party may sign: noise, plain values, and maps with the right names and wrong values."""


@st.composite
def sum_groups(draw: st.DrawFn) -> SumGroup:
    """Groups of up to four sums, of any shape, norm, bound and capacity, over one unit."""
    unit = draw(st.sampled_from(Unit))
    return SumGroup(
        tuple(
            Sum(
                name=f"sum_{i}",
                shape=draw(SHAPES),
                unit=unit,
                unit_bound=draw(st.floats(1e-6, 1e6)),
                norm=draw(st.sampled_from(Norm)),
                capacity=1 if unit is Unit.PARTY else draw(st.integers(1, 10_000)),
            )
            for i in range(draw(st.integers(1, 4)))
        )
    )


@st.composite
def dropouts_of(draw: st.DrawFn, plan: Plan, count: int | None = None) -> dict[str, str]:
    """Parties that fall silent, each from some kind of message on."""
    names = st.sampled_from([p.name for p in plan.parties])
    least, most = (0, plan.dropouts) if count is None else (count, count)
    chosen = draw(st.lists(names, min_size=least, max_size=most, unique=True))
    return {name: draw(st.sampled_from(message_kinds(plan))) for name in chosen}


class ProtectionConformance:
    """The tests; a subclass names the protection's plans.

    Attributes:
        examples: How many cases each property is tried on; fewer, where a round is dear.
    """

    examples = 8

    def plan(self, **fields) -> Plan:
        """A plan of at least four parties under the protection, with these fields."""
        raise NotImplementedError

    def each(self, strategy: st.SearchStrategy, check: Callable[..., None]) -> None:
        """Tries a property on many cases."""
        dear = [HealthCheck.too_slow, HealthCheck.filter_too_much]
        settings(max_examples=self.examples, suppress_health_check=dear)(given(strategy)(check))()

    # --- what comes out --------------------------------------------------------------------------

    def test_sums_equal_the_exact_ones_and_those_in_clear_whoever_drops_out(self):
        def check(data: st.DataObject) -> None:
            group, seed = data.draw(sum_groups()), data.draw(st.integers(0, 2**32))
            plan = self.plan(sums=group)
            contributions = draw_contributions(plan, seed)
            silent = data.draw(dropouts_of(plan))

            result = Federation(plan, contributions).run(silent)

            kinds = message_kinds(plan)
            late = kinds[kinds.index("contribution") + 1 :]
            kept = [n for n in contributions if n not in silent or silent[n] in late]
            assert list(result.survivors) == kept
            assert result.totals.dtype == np.int64
            assert result.totals.tolist() == sum_of(contributions, kept)
            assert result.totals.tobytes() == in_clear(plan, contributions, kept)

        self.each(st.data(), check)

    def test_everybody_at_the_end_of_its_range_does_not_wrap_around(self):
        for sign in (1, -1):
            plan = self.plan()
            limit = plan.sums.sums[0].lattice.party_range
            ends = {p.name: np.full(plan.sums.size, sign * limit) for p in plan.parties}
            totals = Federation(plan, ends).run().totals
            assert totals.tolist() == [sign * limit * len(plan.parties)] * plan.sums.size

    def test_a_round_that_bears_no_more_dropouts_releases_nothing(self):
        def check(data: st.DataObject) -> None:
            plan = self.plan()
            silent = data.draw(dropouts_of(plan, plan.dropouts + 1))
            attempt = Federation(plan).attempt()
            with pytest.raises(DropoutError):
                attempt.finish(silent)
            with pytest.raises(ProtocolError, match="not finished"):
                _ = attempt.coordinator.result

        self.each(st.data(), check)

    # --- what the coordinator takes --------------------------------------------------------------

    def test_the_coordinator_refuses_what_does_not_belong_and_goes_on_as_before(self):
        """Repeated, out-of-order, uninvited and altered messages, at each step of one round."""
        plan = self.plan()
        federation = Federation(plan)
        away = federation.names[-1]
        attempt = federation.attempt(names=federation.names[:-1])
        stranger = Federation(self.plan(name="another plan")).attempt()
        while attempt.outbox:
            kind = attempt.coordinator.awaits
            earlier = [m for (k, _), m in attempt.answers.items() if k != kind]
            replies = {name: attempt.answer(name) for name in attempt.outbox}
            first = next(iter(replies.values()))
            uninvited = attempt.round_.seal(federation.identities[away].key, away, kind, b"")
            for hostile in (*altered(first), *earlier, *stranger.answers.values(), uninvited):
                self.refuses(attempt, hostile)
            for reply in replies.values():
                attempt.coordinator.receive(reply)
                self.refuses(attempt, reply)
            stranger.deliver()
            attempt.advance()
            stranger.advance()
        with pytest.raises(ProtocolError, match="after the end"):
            attempt.coordinator.receive(next(iter(attempt.answers.values())))
        survivors = attempt.coordinator.result.survivors
        assert list(survivors) == federation.names[:-1]
        assert attempt.coordinator.result.totals.tolist() == sum_of(
            federation.contributions, survivors
        )

    def refuses(self, attempt: Attempt, hostile: bytes) -> None:
        """The message is a protocol error, and all the coordinator knows is as before."""
        before = memory_of(attempt.coordinator)
        with pytest.raises(ProtocolError):
            attempt.coordinator.receive(hostile)
        assert memory_of(attempt.coordinator) == before

    def test_a_signed_message_of_arbitrary_content_is_a_protocol_error(self):
        """A party of the plan may sign what it likes: no other error comes of it."""

        def check(data: st.DataObject) -> None:
            attempt = Federation(self.plan()).attempt()
            attempt.until(data.draw(st.sampled_from(message_kinds(attempt.round_.plan))))
            name, kind = next(iter(attempt.outbox)), attempt.coordinator.awaits
            identity = Federation(attempt.round_.plan).identities[name]
            payload = data.draw(PAYLOADS)
            message = attempt.round_.seal(identity.key, name, kind, payload)
            with pytest.raises(ProtocolError):
                attempt.coordinator.receive(message)

        self.each(st.data(), check)

    def test_there_is_no_result_before_the_end(self):
        attempt = Federation(self.plan()).attempt()
        while attempt.outbox:
            with pytest.raises(ProtocolError, match="not finished"):
                _ = attempt.coordinator.result
            attempt.step()
        assert attempt.coordinator.result.survivors

    # --- what a party takes ----------------------------------------------------------------------

    def test_a_party_takes_each_announcement_once_and_in_order(self):
        """Whatever else comes ends its session: it says nothing more, even to what it awaited."""
        federation = Federation(self.plan())
        whole, announced = federation.attempt(), []
        while whole.outbox:
            announced.append(whole.outbox)
            whole.step()
        for step in range(len(announced)):
            attempt = Federation(federation.plan).attempt(1, step)
            for _ in range(step):
                attempt.step()
            wrong = announced[:step] + announced[step + 1 :]
            for name, messages in zip(attempt.outbox, wrong, strict=False):
                with pytest.raises(ProtocolError):
                    attempt.answer(name, messages[name])
                with pytest.raises(ProtocolError):
                    attempt.answer(name)

    def test_a_party_takes_no_announcement_that_was_not_signed_for_it(self):
        """The network speaks in the coordinator's name: by another key or by none, with what the
        coordinator signed for another round, attempt, plan or step, or with an altered one."""
        plan = self.plan()
        for step in range(len(message_kinds(plan))):
            waiting = list(FORGERS.values())
            while waiting:
                attempt = Federation(plan).attempt(1)
                for _ in range(step):
                    attempt.step()
                for name, message in attempt.outbox.items():
                    if waiting and (forged := forged_by(waiting.pop(), attempt, message)):
                        with pytest.raises(VerificationError, match="does not verify"):
                            attempt.answer(name, forged)
                        with pytest.raises(ProtocolError):
                            attempt.answer(name)

    def test_a_party_answers_nothing_after_the_end(self):
        attempt = Federation(self.plan()).attempt()
        last = attempt.outbox
        while attempt.outbox:
            last = attempt.outbox
            attempt.step()
        for name, party in attempt.parties.items():
            with pytest.raises(ProtocolError):
                party.receive(last[name])

    def test_an_altered_announcement_ends_a_session_or_is_answered_but_never_crashes_it(self):
        def check(data: st.DataObject) -> None:
            attempt = Federation(self.plan()).attempt()
            attempt.until(data.draw(st.sampled_from(message_kinds(attempt.round_.plan))))
            name = data.draw(st.sampled_from(sorted(attempt.outbox)))
            message = attempt.outbox[name]
            hostile = data.draw(
                st.one_of(
                    st.binary(max_size=200),
                    st.integers(0, 8 * len(message) - 1).map(lambda bit: flip_bit(message, bit)),
                    st.integers(0, len(message) - 1).map(lambda end: message[:end]),
                )
            )
            try:
                attempt.answer(name, hostile)
            except ConfideError:
                with pytest.raises(ProtocolError):
                    attempt.answer(name)

        self.each(st.data(), check)

    # --- states, attempts and rounds -------------------------------------------------------------

    def test_a_party_with_another_state_is_in_no_sum(self):
        federation = Federation(self.plan())
        victim = federation.names[1]
        attempt = federation.attempt(states={victim: bytes(32)})
        with pytest.raises((ProtocolError, DropoutError)):
            attempt.finish()
        with pytest.raises(ProtocolError, match="not finished"):
            _ = attempt.coordinator.result

    def test_a_party_takes_part_in_an_attempt_once_and_never_goes_back(self):
        federation = Federation(self.plan())
        name = federation.names[0]
        for number, attempt in ((0, 0), (0, 1), (0, 3), (1, 0), (2, 5)):
            claim(federation, name, number, attempt)
            for earlier in ((number, attempt), (0, 0), (number, 0)):
                with pytest.raises(ProtocolError, match="a replay"):
                    claim(federation, name, *earlier)

    @pytest.mark.parametrize("odd", ["nobody", "p001"])
    def test_only_parties_of_the_plan_are_invited_each_once(self, odd):
        federation = Federation(self.plan())
        with pytest.raises(PlanError, match=r"no party 'nobody'|name each party once"):
            coordinator_session(
                Round(federation.plan, 0), STATE, (*federation.names, odd), federation.aggregator
            )

    def test_a_released_round_is_spent_and_the_next_one_is_not(self):
        federation = Federation(self.plan())
        for number in range(2):
            federation.run(number=number)
            for name in federation.names:
                with pytest.raises(ProtocolError, match="used up"):
                    claim(federation, name, number, attempt=7)


def claim(federation: Federation, name: str, number: int, attempt: int) -> None:
    """Lets a party claim an attempt, and go no further.

    It does so when its session is made; before an enclave once it has verified one, here a new
    instance that has forgotten all earlier attempts, and whose first announcement is forged.
    """
    if not federation.plan.attested:
        federation.party(name, Round(federation.plan, number, attempt))
        return
    federation.aggregator = federation.launch()
    asked = federation.attempt(number, attempt)
    asked.step()
    forged = forged_by(FORGERS["no key"], asked, asked.outbox[name])
    with pytest.raises(VerificationError, match="does not verify"):
        asked.answer(name, forged)


Forger = Callable[[Round, Ed25519PrivateKey, str, bytes], tuple[bytes, bytes]]
"""Gives another payload and signature than those of an announcement: what the network may try."""

FORGERS: dict[str, Forger] = {
    "another key": lambda round_, _, kind, payload: (
        payload,
        round_.sign(Ed25519PrivateKey.generate(), COORDINATOR, kind, payload),
    ),
    "no key": lambda _, _key, _kind, payload: (payload, b""),
    "another round": lambda round_, key, kind, payload: (
        payload,
        replace(round_, number=round_.number - 1).sign(key, COORDINATOR, kind, payload),
    ),
    "another attempt": lambda round_, key, kind, payload: (
        payload,
        replace(round_, attempt=round_.attempt + 1).sign(key, COORDINATOR, kind, payload),
    ),
    "another plan": lambda round_, key, kind, payload: (
        payload,
        replace(round_, plan=clear_plan(name="another")).sign(key, COORDINATOR, kind, payload),
    ),
    "another step": lambda round_, key, _, payload: (
        payload,
        round_.sign(key, COORDINATOR, "elsewhere", payload),
    ),
    "another sender": lambda round_, key, kind, payload: (
        payload,
        round_.sign(key, round_.plan.parties[0].name, kind, payload),
    ),
    "altered": lambda round_, key, kind, payload: (
        flip_bit(payload, 8 * len(payload) - 1),
        round_.sign(key, COORDINATOR, kind, payload),
    ),
}


def forged_by(forge: Forger, attempt: Attempt, message: bytes) -> bytes | None:
    """An announcement with another payload or signature; None for one that carries none."""
    kind, payload, signature = canonical.decode(message, len(message))
    if signature:
        coordinator, key = attempt.coordinator, simulation_key(COORDINATOR)
        if isinstance(coordinator, EnclaveCoordinator):
            key = coordinator._aggregator.workload.keys.signing
        return canonical.encode([kind, *forge(attempt.round_, key, kind, payload)])
    values = canonical.decode(payload, len(payload))
    inner = forged_by(forge, attempt, values["message"]) if "message" in values else None
    if inner is None:
        return None
    return canonical.encode([kind, canonical.encode(values | {"message": inner}), b""])


def in_clear(plan: Plan, contributions, names) -> bytes:
    """The bytes of the sum that aggregation in clear releases over these parties."""
    clear = clear_plan(parties=len(plan.parties), sums=plan.sums, dropouts=plan.dropouts)
    federation = Federation(clear, contributions)
    return federation.attempt(names=names).finish().totals.tobytes()


def altered(message: bytes) -> list[bytes]:
    """A message with bits changed all over, cut short, and with something after its end."""
    step = max(1, 8 * len(message) // 40)
    flips = [flip_bit(message, bit) for bit in range(3, 8 * len(message), step)]
    return [*flips, message[: math.ceil(len(message) / 2)], message + b"\0", b""]


def memory_of(session) -> dict[str, object]:
    """What a session holds, and what sessions and memories in it do, as values that compare."""
    return {
        name: _comparable(value)
        for name, value in vars(session).items()
        if not callable(value) and name not in ("_lock", "_random")
    }


SESSIONS_AND_MEMORIES = (
    Aggregator,
    ClearCoordinator,
    ConsentCoordinator,
    Incoming,
    RoundRegister,
    SharingCoordinator,
)


def _comparable(value):
    if isinstance(value, np.ndarray):
        return value.tobytes()
    if isinstance(value, SESSIONS_AND_MEMORIES):
        return memory_of(value)
    return copy.copy(value)
