"""A coverage-guided fuzzer of everything in `confide.tee` that reads bytes from elsewhere.

    python -m tests.tee.fuzz                   # a minute, as CI does
    python -m tests.tee.fuzz --seconds 36000 --corpus /tmp/corpus

A reader may return or raise a `ConfideError`; anything else is a bug, and ends the run with the
input that showed it. So does what returns and should not have: a message that reads, and is not
written so; one that was altered, and opens; a peer that was changed, and is accepted.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import atheris
import cbor2
from confide_sim import Event

INSTRUMENTED = [
    "confide.canonical",
    "confide.tee",
    "confide.aggregation.enclave.receipts",
    "confide_operator.registry",
]

with atheris.instrument_imports(include=INSTRUMENTED):
    from confide_operator.registry import Bundle, Statement
    from tests.aggregation.support import Federation, attested_plan, receipt_of
    from tests.fuzzing import MOST, Change, Changer, in_bytes, in_cbor, in_json, run
    from tests.operator.registry.support import Machine, enrolled, found, key
    from tests.tee.providers.devices import certificate_table
    from tests.tee.support import BUILD, NOW, SimulatedAttester, asked, relying_party
    from tests.tee.test_release import KEYS, RELEASE, SIGNERS, signed

    from confide import canonical
    from confide.aggregation import Receipt
    from confide.errors import ConfideError
    from confide.plan import Clear
    from confide.randomness import SystemRandom
    from confide.tee import (
        Claims,
        Collateral,
        Evidence,
        Expected,
        Platform,
        Release,
        SignedRelease,
        event_log,
        nitro,
        quote,
        snp,
    )
    from confide.tee.certificates import load_certificate, load_revocation_list, pem_blocks
    from confide.tee.channel import seal
    from confide.tee.counters import CounterPeer, FileCounter, QuorumCounter
    from confide.tee.heartbeat import Heartbeat
    from confide.tee.inspection import inspect
    from confide.tee.providers.configfs import certificate_table as read_certificate_table
    from confide.tee.relying import RelyingParty
    from confide.tee.workload import Workload, WorkloadKeys
    from confide.transparency.log import Entry, Inclusion, LogHead, TransparencyLog

EXPECTED = Expected(b"n" * 32, "aggregate", b"p" * 32, "test")
HEADER, PAYLOAD = b"round 1", b"a number"
KEY, PUBLIC = KEYS[0], SIGNERS[0]
EVENTS = (Event("app", b"an application"),)


@dataclass
class Kind:
    """One valid message, how to change it, and what reads it."""

    valid: bytes
    change: Change
    read: Callable[[bytes], Any]


def same(read: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
    """A reader of messages that have one way of being written."""

    def reads(data: bytes) -> None:
        assert read(data).to_bytes() == data, "it reads, and is not written so"

    return reads


def in_nitro(document: bytes) -> Change:
    """A COSE structure with something else in its payload, or around it."""
    outer = cbor2.loads(document)
    inner = cbor2.loads(outer[2])

    def change(changer: Changer) -> bytes:
        if changer.given.ConsumeBool():
            return cbor2.dumps(changer.changed(outer))
        return cbor2.dumps([*outer[:2], cbor2.dumps(changer.changed(inner)), outer[3]])

    return change


def in_pem(text: bytes) -> Change:
    """A PEM file with one of its blocks changed inside."""
    blocks = [der for _, der in pem_blocks(text)]

    def change(changer: Changer) -> bytes:
        return changer.spliced(blocks[0]) if changer.given.ConsumeBool() else changer.spliced(text)

    return change


FORMS: dict[Platform, Callable[[bytes], Change]] = {
    Platform.SGX: in_bytes,
    Platform.TDX: in_bytes,
    Platform.SNP: in_bytes,
    Platform.NITRO: in_nitro,
}
PARSERS: dict[Platform, Callable[[bytes], Any]] = {
    Platform.SGX: quote.parse,
    Platform.TDX: quote.parse,
    Platform.SNP: snp.parse,
    Platform.NITRO: nitro.parse,
}


def in_frame(sealed: bytes) -> Change:
    """A sealed message: two bytes of length, header and key in CBOR, and chunks."""
    end = 2 + int.from_bytes(sealed[:2], "big")
    parts = [canonical.decode(sealed[2:end], MOST), sealed[end:]]

    def change(changer: Changer) -> bytes:
        match changer.changed(parts):
            case [front, bytes(chunks)]:
                encoded = canonical.encode(front)
                return len(encoded).to_bytes(2, "big") + encoded + chunks
            case _:
                raise TypeError("no frame")

    return change


def in_collateral(item: bytes) -> Change:
    """Collateral of any kind: Intel's statements are JSON in texts of JSON."""
    return in_statements(item) if item[:1] == b"{" else in_pem(item)


def in_statements(document: bytes) -> Change:
    """Intel's collateral, changed in one of its statements or around them."""
    outer = json.loads(document)
    inner = {name: json.dumps(json.loads(outer[name])) for name in ("tcb_info", "qe_identity")}
    whole = in_json(document)
    changes = {name: in_json(text.encode()) for name, text in inner.items()}

    def change(changer: Changer) -> bytes:
        if changer.given.ConsumeBool():
            return whole(changer)
        name = changer.given.PickValueInList(sorted(changes))
        return json.dumps({**outer, name: changes[name](changer).decode()}).encode()

    return change


class PeerKind:
    """A peer's evidence of one platform, changed field by field and verified as a whole."""

    def __init__(self, platform: Platform) -> None:
        case = {"events": EVENTS} if platform is Platform.TDX else {}
        workload = Workload(
            attester=SimulatedAttester(platform, case=case),
            keys=WorkloadKeys.generate(SystemRandom()),
            purpose=EXPECTED.purpose,
            build=BUILD,
            plan=EXPECTED.plan,
            task=EXPECTED.task,
            instance=b"i" * 32,
            epoch=1,
            lifetime=timedelta(hours=1),
        )
        self.workload = workload
        self.evidence = workload.answer(EXPECTED.nonce, NOW)
        assert self.evidence.claims is not None
        self.claims = self.evidence.claims
        self.party = accepting(platform)
        self.valid = self.evidence.to_bytes()
        self.peer = self.party.verify(self.valid, EXPECTED)
        self.parts: dict[str, Change] = {
            "document": FORMS[platform](self.evidence.document),
            "claims": in_cbor(self.claims.to_bytes()),
        }
        if self.evidence.event_log is not None:
            self.parts["event_log"] = in_json(self.evidence.event_log)
        self.collateral = [in_collateral(item) for item in self.evidence.collateral]
        self.whole = in_cbor(self.valid)

    def change(self, changer: Changer) -> bytes:
        values = canonical.decode(self.valid, 1 << 24)
        which = changer.given.ConsumeIntInRange(0, len(self.parts) + len(self.collateral))
        if which == len(self.parts) + len(self.collateral):
            return self.whole(changer)
        if which >= len(self.parts):
            at = which - len(self.parts)
            values["collateral"][at] = self.collateral[at](changer)
        else:
            name = sorted(self.parts)[which]
            values[name] = self.parts[name](changer)
        return canonical.encode(values)

    def read(self, data: bytes) -> None:
        peer = self.party.verify(data, EXPECTED)
        assert peer.claims == self.claims, "a peer with other claims is accepted"
        assert peer.assurance is self.peer.assurance, "simulated evidence is called something else"
        found = peer.attestation
        assert found.measurements == self.peer.attestation.measurements, "another build is accepted"
        assert found.node == self.peer.attestation.node, "another machine is accepted"
        assert found.binding == self.peer.attestation.binding, "other report data are accepted"
        assert order_of(data) == order_of(self.valid), "a log of something else is accepted"


def order_of(data: bytes) -> list[tuple[int, bytes]]:
    """What the event log in evidence extends, in its order."""
    log = Evidence.from_bytes(data).event_log
    return [(event.register, event.digest) for event in event_log.parse(log or b"[]")]


def accepting(platform: Platform) -> RelyingParty:
    """Who accepts the build of the tests, and of a domain, only with the event that it logged."""
    party = relying_party(platform)
    if platform is not Platform.TDX:
        return party
    (reference,) = party.policy.references
    logged = {f"event:{event.name}": event.payload for event in EVENTS}
    more = replace(reference, measurements={**reference.measurements, **logged})
    return replace(party, policy=replace(party.policy, references=(more,)))


def documents() -> Iterator[Kind]:
    """What vendors write."""
    for platform in Platform:
        document = asked(platform).emitted.evidence
        change = FORMS[platform](document)
        yield Kind(document, change, PARSERS[platform])
        yield Kind(document, change, inspect)
        for item in asked(platform).emitted.collateral:
            yield Kind(item, in_collateral(item), lambda data: Collateral.of([data]))
    log = asked(Platform.TDX, events=EVENTS).emitted.event_log or b""
    yield Kind(log, in_json(log), replayed)
    pem = asked(Platform.SNP).emitted.collateral
    certificate, *_, revoked = (der for item in pem for _, der in pem_blocks(item))
    yield Kind(certificate, in_bytes(certificate), load_certificate)
    yield Kind(revoked, in_bytes(revoked), load_revocation_list)
    table = certificate_table(certificate[:50], b"its issuer's", b"the root")
    yield Kind(table, in_bytes(table), read_certificate_table)


def replayed(data: bytes) -> None:
    """A log that leads to what the registers hold, as a domain of anybody's has."""
    events = event_log.parse(data)
    values = [bytes(48)] * 4
    for event in events:
        values[event.register] = hashlib.sha384(values[event.register] + event.digest).digest()
    event_log.replay(events, {f"rtmr{k}": value for k, value in enumerate(values)})


def statements(folder: Path, peer: PeerKind) -> Iterator[Kind]:
    """What parties, enclaves and logs write."""
    claims, evidence = peer.claims.to_bytes(), peer.valid
    yield Kind(claims, in_cbor(claims), read_claims)
    yield Kind(evidence, in_cbor(evidence), read_evidence)
    text = signed(*KEYS).to_json().encode()
    yield Kind(text, in_json(text), read_release)
    release = RELEASE.to_bytes()
    yield Kind(release, in_cbor(release), same(Release.from_bytes))
    receipt = receipt_of(Federation(attested_plan(Clear())).attempt().finish()).to_bytes()
    yield Kind(receipt, in_cbor(receipt), same(Receipt.from_bytes))
    registry = found(folder / "registry.db")
    enrolled(registry, Machine(registry))
    for entry in registry.log.entries():
        yield Kind(entry.body, in_cbor(entry.body), same(Statement.from_bytes))
        yield Kind(entry.to_bytes(), in_cbor(entry.to_bytes()), same(Entry.from_bytes))
    bundle = Bundle.of(Machine(registry).answer(bytes(32)), Collateral()).to_bytes()
    yield Kind(bundle, in_cbor(bundle), same(Bundle.from_bytes))
    beat = Heartbeat.of(bytes(32), "node-1", NOW, key("node")).to_bytes()
    yield Kind(beat, in_cbor(beat), same(Heartbeat.from_bytes))
    yield from logs(TransparencyLog(folder / "log.db"))


def logs(log: TransparencyLog) -> Iterator[Kind]:
    """What a transparency log shows."""
    for number in range(5):
        log.append(bytes([number]))
    head = log.head(KEY).to_bytes()
    yield Kind(head, in_cbor(head), same(LogHead.from_bytes))
    shown = log.inclusion(2, KEY)

    def read(data: bytes) -> None:
        assert Inclusion.from_bytes(data).verify(PUBLIC) == shown.entry, "a log shows what is not"

    inclusion = shown.to_bytes()
    yield Kind(inclusion, in_cbor(inclusion), read)


def messages(folder: Path, peer: PeerKind) -> Iterator[Kind]:
    """What is encrypted or signed: nothing that was altered may open."""
    sealed = seal(peer.peer, HEADER, PAYLOAD, at=NOW, random=SystemRandom())

    def read(data: bytes) -> None:
        peer.workload.open(peer.claims, HEADER, data, 100)
        assert data == sealed, "a message that was altered opens"

    yield Kind(sealed, in_frame(sealed), read)
    party = CounterPeer(FileCounter(folder / "counter.db", b"name"), KEY, b"name")
    request = canonical.encode(["read", b"name", bytes(32), 0])
    yield Kind(request, in_cbor(request), party.answer)
    reply = party.answer(request)

    def answered(data: bytes) -> None:
        """A peer of a quorum whose nonces do not change, so that its answer is of this question."""
        counter = QuorumCounter(b"name", {PUBLIC: lambda _: data}, 0, Zeros())
        assert counter.read() == 0, "a counter stands where its peer did not say"

    yield Kind(reply, in_cbor(reply), answered)


class Zeros:
    """No randomness at all, for a question that is always the same."""

    def bytes(self, count: int) -> bytes:
        return b"\0" * count


def read_claims(data: bytes) -> None:
    claims = Claims.from_bytes(data)
    assert claims.to_bytes() == data, "it reads, and is not written so"
    assert claims.expires_at.timestamp() == claims.expires


def read_evidence(data: bytes) -> None:
    evidence = Evidence.from_bytes(data)
    assert data in (evidence.to_bytes(), evidence.document), "it reads, and is not written so"


def read_release(data: bytes) -> None:
    release = SignedRelease.from_json(data.decode("utf-8", "replace"))
    assert release.verify(SIGNERS, 2) == RELEASE, "a release that nobody signed is accepted"


class Target:
    """All kinds, of which each input changes one."""

    def __init__(self, folder: Path) -> None:
        peers = [PeerKind(platform) for platform in Platform]
        whole = [Kind(peer.valid, peer.change, peer.read) for peer in peers]
        made = [*documents(), *statements(folder, peers[0]), *messages(folder, peers[0])]
        self.kinds = [*made, *whole]
        for kind in self.kinds:
            kind.read(kind.valid)

    def __call__(self, data: bytes) -> None:
        changer = Changer(data)
        kind = self.kinds[changer.given.ConsumeIntInRange(0, len(self.kinds) - 1)]
        raw = changer.given.ConsumeProbability() < 0.2
        try:
            message = changer.rest() if raw else kind.change(changer)
        except TypeError:
            return
        try:
            kind.read(message)
        except ConfideError:
            return


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        run(Target(Path(folder)), __doc__, seconds=60)
