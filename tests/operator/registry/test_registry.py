"""The registry: who may say what, what follows from it, and that nobody can say it for others."""

import sqlite3
from dataclasses import replace
from datetime import timedelta

import pytest
from confide_operator.registry import (
    BuildProposed,
    Bundle,
    Member,
    MemberProposed,
    NodeProposed,
    Registry,
    Role,
    Statement,
)
from confide_operator.registry.statements import Attested, Decided, Founded
from tests.operator.registry.support import (
    DAY,
    MEMBERS,
    PARTIES,
    RELEASE,
    Clock,
    Machine,
    enrolled,
    found,
    founding,
    key,
    public,
)
from tests.tee.support import LEAST, NOW, relying_party

from confide import canonical
from confide.errors import (
    AttestationError,
    DataError,
    PlanError,
    ProtocolError,
    Step,
    VerificationError,
)
from confide.tee import Collateral, Evidence, Policy, SignedRelease
from confide.tee.heartbeat import Heartbeat
from confide.transparency.log import TransparencyLog


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def registry(tmp_path, clock):
    return found(tmp_path / "registry.db", clock)


@pytest.fixture
def build(registry):
    return registry.propose_build(RELEASE, key("operator"))


@pytest.fixture
def machine(registry):
    return Machine(registry)


def nodes(registry):
    return registry.nodes(relying_party())


def status(registry, proposal):
    return registry.state.status(registry.state.proposals[proposal.id])


class TestFounding:
    @pytest.mark.parametrize("threshold", [0, 4])
    def test_a_threshold_that_accepts_anything_or_nothing(self, threshold):
        with pytest.raises(PlanError, match=f"a threshold of {threshold} of 3 parties"):
            founding(threshold=threshold)

    def test_two_members_of_one_key(self):
        with pytest.raises(PlanError, match="two members of one key"):
            founding(members={**MEMBERS, "twin": Member(public("alder"), Role.PARTY)})

    @pytest.mark.parametrize("seconds", [0, -1, 10**9])
    def test_an_attestation_counts_for_a_while(self, seconds):
        with pytest.raises(PlanError):
            founding(reattest_seconds=seconds)

    def test_only_a_member_founds(self, tmp_path):
        with pytest.raises(ProtocolError, match="'stranger' is not a member"):
            Registry.init(tmp_path / "new.db", founding(), "stranger", key("stranger"))
        with pytest.raises(VerificationError, match="did not sign"):
            Registry.init(tmp_path / "new.db", founding(), "alder", key("stranger"))
        assert not (tmp_path / "new.db").exists()

    def test_a_file_that_is_there_is_left_alone(self, registry, tmp_path):
        with pytest.raises(DataError, match="exists already"):
            found(tmp_path / "registry.db")
        with pytest.raises(DataError, match="create one with `registry init`"):
            Registry(tmp_path / "absent.db")

    def test_is_founded_once(self, registry):
        again = Statement(registry.id, "alder", 1, founding()).signed(key("alder"))
        with pytest.raises(ProtocolError, match="founded by its first statement, and once"):
            registry.record(again)

    def test_names_on_screens_are_printable(self):
        with pytest.raises(PlanError, match="printable"):
            founding(name="\x1b[31mred")


class TestBuilds:
    def test_is_accepted_by_as_many_parties_as_the_registry_asks_for(self, registry, build):
        assert status(registry, build) == "pending"
        registry.accept(build, key("alder"))
        assert status(registry, build) == "pending"
        assert registry.releases() == []
        registry.accept(build, key("cedar"))
        assert status(registry, build) == "accepted"

    def test_what_is_accepted_is_what_a_policy_takes(self, registry, build):
        for name in ("alder", "cedar"):
            registry.accept(build, key(name))
        (signed,) = registry.releases()
        signed = SignedRelease.from_json(signed.to_json())
        release = signed.verify([public(name) for name in PARTIES], threshold=2)
        policy = Policy(references=release.references, nodes=None, minimum_levels=LEAST)
        assert policy.references[0].workload == RELEASE.workload

    def test_the_queue_is_what_a_party_said_nothing_of(self, registry, build):
        assert [p.id for p in registry.queue("alder")] == [build.id]
        registry.accept(build, key("alder"))
        assert registry.queue("alder") == []
        assert [p.id for p in registry.queue("birch")] == [build.id]
        registry.accept(build, key("birch"))
        assert registry.queue("cedar") == registry.queue() == []

    def test_is_rejected_when_too_few_are_left_to_accept_it(self, registry, build):
        registry.reject(build, key("alder"), "not reproducible")
        assert status(registry, build) == "pending"
        registry.reject(build, key("birch"), "not reproducible")
        assert status(registry, build) == "rejected"

    def test_a_partys_last_word_counts(self, registry, build):
        for name in ("alder", "birch"):
            registry.accept(build, key(name))
        registry.reject(build, key("birch"), "a weakness was found")
        assert status(registry, build) == "pending"
        assert registry.releases() == []

    def test_is_taken_back_by_who_proposed_it_or_by_a_party(self, registry, build):
        registry.withdraw(build, key("cedar"), "a weakness was found")
        assert status(registry, build) == "withdrawn"
        with pytest.raises(ProtocolError, match="was settled; propose it again"):
            registry.accept(build, key("alder"))
        again = registry.propose_build(RELEASE, key("operator"))
        assert status(registry, again) == "pending"

    def test_is_proposed_once_while_it_is_open(self, registry, build):
        with pytest.raises(ProtocolError, match="was proposed already, and is pending"):
            registry.propose_build(RELEASE, key("alder"))

    def test_an_operator_does_not_decide(self, registry, build):
        with pytest.raises(ProtocolError, match="is an operator, and only a party decides"):
            registry.accept(build, key("operator"))
        assert len(registry.log) == 2

    def test_a_stranger_says_nothing(self, registry, build):
        with pytest.raises(DataError, match="no member of the registry has this key"):
            registry.accept(build, key("stranger"))

    def test_accepting_takes_a_signature_on_the_release(self, registry, build):
        for signature in (b"", key("alder").sign(b"another release")):
            said = registry.next_statement(Decided(build.id, True, "", signature), "alder")
            with pytest.raises(VerificationError, match="without signing its release"):
                registry.record(said.signed(key("alder")))
        assert status(registry, build) == "pending"
        assert len(registry.log) == 2

    def test_what_accepts_no_build_comes_without_a_signature(self, registry, build):
        signature = key("alder").sign(RELEASE.to_bytes())
        said = registry.next_statement(Decided(build.id, False, "no", signature), "alder")
        with pytest.raises(ProtocolError, match="a signature on a release with what accepts no"):
            registry.record(said.signed(key("alder")))

    def test_that_nobody_proposed_is_not_decided_on(self, registry, build):
        said = registry.next_statement(Decided(bytes(32), False, "no"), "alder")
        with pytest.raises(ProtocolError, match="has no proposal 0000000000000000…"):
            registry.record(said.signed(key("alder")))
        assert status(registry, build) == "pending"

    def test_is_found_by_the_beginning_of_its_identifier(self, registry, build):
        assert registry.find(build.id.hex()[:8]).id == build.id
        for prefix in ("", "abc", "0" * 64):
            with pytest.raises(DataError, match="proposals begin with"):
                registry.find(prefix)


class TestSayingItForOthers:
    def test_with_another_key(self, registry, build):
        said = registry.next_statement(Decided(build.id, False, "forged"), "alder")
        with pytest.raises(VerificationError, match="'alder' did not sign"):
            registry.record(said.signed(key("operator")))

    def test_again(self, registry, build):
        """An operator replays a party's old word after the party changed its mind."""
        registry.accept(build, key("alder"))
        *_, (_, accepted) = registry.statements()
        registry.reject(build, key("alder"), "no")
        with pytest.raises(ProtocolError, match="it was said before"):
            registry.record(accepted)

    def test_in_another_registry(self, registry, build, tmp_path):
        other = found(tmp_path / "other.db", name="another")
        said = Statement(other.id, "alder", 1, Decided(build.id, False, "")).signed(key("alder"))
        with pytest.raises(ProtocolError, match="says it of another registry"):
            registry.record(said)

    @pytest.mark.parametrize("field", ["registry", "by", "sequence", "fact"])
    def test_with_something_changed(self, registry, build, field):
        said = registry.next_statement(Decided(build.id, False, "no"), "alder")
        said = said.signed(key("alder"))
        other = {
            "registry": bytes(32),
            "by": "birch",
            "sequence": 9,
            "fact": Decided(build.id, False, "yes"),
        }[field]
        with pytest.raises(ProtocolError):
            registry.record(replace(said, **{field: other}))
        assert len(registry.log) == 2

    def test_what_may_not_be_said_leaves_the_registry_as_it_was(self, registry, build):
        with pytest.raises(ProtocolError):
            registry.accept(build, key("operator"))
        registry.accept(build, key("alder"))
        registry.accept(build, key("birch"))
        assert status(registry, build) == "accepted"
        registry.verify([], None)

    def test_by_writing_into_the_file(self, registry, build, tmp_path):
        forged = registry.next_statement(Decided(build.id, True, ""), "birch")
        registry.log.append(forged.signed(key("operator")).to_bytes())
        with pytest.raises(VerificationError, match="entry 2 of the registry: 'birch' did not"):
            Registry(tmp_path / "registry.db")
        with pytest.raises(VerificationError, match="entry 2 of the registry"):
            registry.queue()


class TestMembers:
    def test_the_parties_take_in_a_member(self, registry):
        wanted = MemberProposed("dogwood", public("dogwood"), "party")
        proposal = registry.propose(wanted, key("operator"))
        registry.accept(proposal, key("alder"))
        with pytest.raises(DataError, match="no member"):
            registry.accept(proposal, key("dogwood"))
        registry.accept(proposal, key("birch"))
        assert registry.member_of(key("dogwood")) == "dogwood"
        assert status(registry, proposal) == "accepted"

    def test_a_member_that_was_put_out_has_no_say(self, registry, build):
        registry.accept(build, key("cedar"))
        proposal = registry.propose(MemberProposed("cedar", public("cedar"), "none"), key("alder"))
        for name in ("alder", "birch"):
            registry.accept(proposal, key(name))
        registry.accept(build, key("alder"))
        assert status(registry, build) == "pending"
        with pytest.raises(DataError, match="no member"):
            registry.reject(build, key("cedar"), "too late")

    def test_a_member_with_a_new_key_signs_anew(self, registry, build):
        for name in ("alder", "cedar"):
            registry.accept(build, key(name))
        wanted = MemberProposed("cedar", public("cedar's new key"), "party")
        proposal = registry.propose(wanted, key("operator"))
        for name in ("alder", "birch"):
            registry.accept(proposal, key(name))
        assert status(registry, build) == "pending"
        registry.accept(build, key("cedar's new key"))
        (signed,) = registry.releases()
        assert set(signed.signatures) == {public("alder"), public("cedar's new key")}

    def test_a_rejection_settles_nothing(self, registry):
        """A party that was put out and came back has no old word, and a no is no yes."""

        def settled(name, role):
            made = registry.propose(MemberProposed(name, public(name), role), key("operator"))
            for by in ("alder", "cedar"):
                registry.accept(made, key(by))

        twin = registry.propose(MemberProposed("edna", public("dora"), "party"), key("operator"))
        registry.accept(twin, key("birch"))
        settled("birch", "operator")
        registry.accept(twin, key("alder"))
        settled("dora", "party")
        settled("birch", "party")
        registry.reject(twin, key("cedar"), "no")
        assert "edna" not in registry.state.members
        assert status(registry, twin) == "pending"
        with pytest.raises(ProtocolError, match="the key of another member"):
            registry.accept(twin, key("birch"))

    def test_enough_parties_stay(self, registry):
        out = [MemberProposed(name, public(name), "none") for name in ("birch", "cedar")]
        first = registry.propose(out[0], key("alder"))
        for name in ("alder", "cedar"):
            registry.accept(first, key(name))
        with pytest.raises(ProtocolError, match="1 parties would be left, and 2 are needed"):
            registry.propose(out[1], key("alder"))

    def test_no_two_members_of_one_key(self, registry):
        with pytest.raises(ProtocolError, match="would have the key of another member"):
            registry.propose(MemberProposed("twin", public("alder"), "operator"), key("alder"))

    def test_a_member_is_settled_once(self, registry):
        wanted = MemberProposed("dogwood", public("dogwood"), "party")
        proposal = registry.propose(wanted, key("alder"))
        for name in ("alder", "birch"):
            registry.accept(proposal, key(name))
        with pytest.raises(ProtocolError, match="was settled"):
            registry.reject(proposal, key("cedar"), "too late")
        with pytest.raises(ProtocolError, match="was settled"):
            registry.withdraw(proposal, key("cedar"), "too late")


class TestNodes:
    def test_is_usable_once_the_parties_accept_it(self, registry, machine):
        enrolled(registry, machine)
        (health,) = nodes(registry)
        assert health.usable
        assert health.platform == "snp"
        assert len(bytes.fromhex(health.identifier)) == 64

    def test_is_not_usable_before(self, registry, machine):
        relying = relying_party()
        nonce = relying.nonce()
        registry.propose_node("node-1", machine.answer(nonce), relying, nonce, key("operator"))
        (health,) = nodes(registry)
        assert health.problems == ("it is pending",)

    def test_evidence_that_does_not_hold_enrols_nothing(self, registry):
        relying = relying_party()
        debug = Machine(registry, policy=1 << 19 | 1 << 17)
        nonce = relying.nonce()
        with pytest.raises(AttestationError) as refused:
            registry.propose_node("node-1", debug.answer(nonce), relying, nonce, key("operator"))
        assert refused.value.step is Step.DEBUG
        assert len(registry.log) == 1

    @pytest.mark.parametrize("what", ["nonce", "purpose", "name", "registry"])
    def test_evidence_for_something_else_enrols_nothing(self, registry, machine, what, tmp_path):
        relying = relying_party()
        nonce = relying.nonce()
        if what == "registry":
            machine.registry = found(tmp_path / "other.db", name="another")
        answer = machine.answer(
            bytes(32) if what == "nonce" else nonce,
            "aggregate" if what == "purpose" else "enrol",
        )
        name = "node-2" if what == "name" else "node-1"
        with pytest.raises(AttestationError) as refused:
            registry.propose_node(name, answer, relying, nonce, key("operator"))
        assert refused.value.step is Step.CLAIMS

    def test_simulated_hardware_is_warned_of_and_never_hidden(self, registry, machine):
        enrolled(registry, machine)
        (health,) = nodes(registry)
        assert health.assurance == "simulated"
        assert health.warnings
        assert "SIMULATED" in health.warnings[0]

    def test_must_be_attested_again(self, registry, machine, clock):
        node = enrolled(registry, machine)
        clock.pass_(seconds=DAY + 2)
        (health,) = nodes(registry)
        assert health.problems == ("its attestation is overdue",)
        relying = relying_at(clock)
        nonce = relying.nonce()
        registry.attest(node, machine.answer(nonce), relying, nonce, key("operator"))
        (health,) = nodes(registry)
        assert health.usable

    def test_a_failed_attestation_is_recorded_and_takes_the_node_out(self, registry, machine):
        node = enrolled(registry, machine)
        relying = relying_party()
        nonce = relying.nonce()
        machine.case = {"measurement": bytes(48)}
        with pytest.raises(AttestationError):
            registry.attest(node, machine.answer(nonce), relying, nonce, key("operator"))
        (health,) = nodes(registry)
        assert not health.usable
        assert "failed at measurement" in health.problems[0]
        registry.verify([], None)

    def test_garbage_for_evidence_is_recorded_as_such(self, registry, machine):
        node = enrolled(registry, machine)
        relying = relying_party()
        with pytest.raises(AttestationError):
            registry.attest(node, b"\xa0" * 10, relying, relying.nonce(), key("operator"))
        (health,) = nodes(registry)
        assert "failed at parse" in health.problems[0]

    def test_one_answer_attests_once(self, registry, machine, clock):
        """A member that records old evidence again renews nothing."""
        node = enrolled(registry, machine)
        (_, fact), *_ = registry.state.proposals[node.id].attestations
        clock.pass_(seconds=DAY)
        again = registry.next_statement(replace(fact, time=fact.time + DAY), "operator")
        with pytest.raises(ProtocolError, match="was attested with this nonce before"):
            registry.record(again.signed(key("operator")))

    def test_the_time_is_the_members_and_not_the_log_operators(self, registry, machine, clock):
        """With a clock ahead, entries are dated later; an attestation has its own time."""
        registry.log._clock = lambda: NOW + timedelta(days=300)
        enrolled(registry, machine)
        clock.pass_(days=2)
        (health,) = nodes(registry)
        assert health.attested == int(NOW.timestamp())
        assert health.problems == ("its attestation is overdue",)

    def test_an_attestation_of_the_future_counts_for_nothing(self, registry, machine, clock):
        node = enrolled(registry, machine)
        (_, fact), *_ = registry.state.proposals[node.id].attestations
        later = replace(fact, time=fact.time + 100 * DAY, nonce=b"n" * 32)
        registry.record(registry.next_statement(later, "operator").signed(key("operator")))
        assert "its attestation is of the future" in nodes(registry)[0].problems

    def test_another_machine_under_the_same_name_is_refused(self, registry, machine):
        node = enrolled(registry, machine)
        relying = relying_party()
        nonce = relying.nonce()
        other = Machine(registry, chip_id=bytes(range(64)))
        with pytest.raises(AttestationError, match="another machine answers") as refused:
            registry.attest(node, other.answer(nonce), relying, nonce, key("operator"))
        assert refused.value.step is Step.NODE

    def test_one_machine_has_one_name_and_one_name_one_machine(self, registry, machine):
        enrolled(registry, machine)
        relying = relying_party()
        nonce = relying.nonce()
        twin = Machine(registry, "node-2")
        with pytest.raises(ProtocolError, match="was proposed already"):
            registry.propose_node("node-2", twin.answer(nonce), relying, nonce, key("operator"))

    def test_a_node_that_was_taken_back_is_gone(self, registry, machine):
        node = enrolled(registry, machine)
        registry.withdraw(node, key("operator"), "sold")
        assert nodes(registry) == []
        with pytest.raises(DataError, match="no node 'node-1'"):
            registry.node("node-1")

    def test_a_build_is_not_attested(self, registry, build):
        fact = Attested(build.id, 0, bytes(32), bytes(32), bytes(32), "parse", "", "")
        said = registry.next_statement(fact, "operator").signed(key("operator"))
        with pytest.raises(ProtocolError, match="is not a node, and cannot be attested"):
            registry.record(said)

    def test_a_machine_that_hides_its_identifier_is_not_enrolled(self):
        with pytest.raises(PlanError, match="hides its machine cannot be enrolled"):
            NodeProposed("node-1", "snp", "")


class TestWithoutEvidence:
    """What one operator's key can say, and that no machine is usable by it."""

    def said(self, registry, node, **fields):
        """The operator states another attestation than it made."""
        (_, fact), *_ = registry.state.proposals[node.id].attestations
        made = replace(fact, **{"nonce": b"n" * 32, **fields})
        registry.record(registry.next_statement(made, "operator").signed(key("operator")))
        return nodes(registry)[0]

    @pytest.fixture
    def node(self, registry, machine):
        return enrolled(registry, machine)

    def test_a_word_alone_is_no_attestation(self, registry):
        """The parties' votes are forged by nobody; the operator's word is all there is."""
        proposal = registry.propose(NodeProposed("node-1", "snp", "ab" * 64), key("operator"))
        fact = Attested(
            proposal.id, int(NOW.timestamp()), b"n" * 32, b"e" * 32, b"p" * 32, "", "", "hardware"
        )
        registry.record(registry.next_statement(fact, "operator").signed(key("operator")))
        with pytest.raises(AttestationError, match="is not kept here"):
            registry.accept(proposal, key("alder"), relying=relying_party())
        with pytest.raises(DataError, match="give a policy to verify it by"):
            registry.accept(proposal, key("alder"))
        for name in ("alder", "birch"):  # and if parties accept without looking
            decided = registry.next_statement(Decided(proposal.id, True, "", b""), name)
            registry.record(decided.signed(key(name)))
        (health,) = nodes(registry)
        assert (health.approval, health.assurance) == ("accepted", "")
        assert "is not kept here" in health.problems[0]
        with pytest.raises(AttestationError, match="is not kept here"):
            registry.verify([], None, [relying_party()])

    def test_is_usable_under_no_policy(self, registry, node):
        (health,) = registry.nodes()
        assert health.problems == ("its evidence was not verified here: give a policy",)

    def test_hardware_is_not_a_word(self, registry, node):
        health = self.said(registry, node, assurance="hardware")
        assert not health.usable
        assert health.assurance == ""

    def test_old_evidence_is_not_new_under_another_nonce(self, registry, node, clock):
        clock.pass_(minutes=30)
        health = self.said(registry, node, time=int(clock.now.timestamp()))
        assert "does not hold here, at claims" in health.problems[0]

    def test_old_evidence_is_not_new_at_a_later_time(self, registry, node, clock):
        """The nonce is refused as used; and the claims end an hour after the machine answered."""
        with pytest.raises(ProtocolError, match="attested with this nonce before"):
            self.said(registry, node, nonce=registry.state.proposals[node.id].last_held.nonce)
        fact = registry.state.proposals[node.id].last_held
        late = replace(fact, time=fact.time + DAY)
        with pytest.raises(AttestationError, match="over since"):
            registry.verified(node, late, relying_party())

    def test_another_machines_evidence_does_not_do(self, registry, node):
        other = Machine(registry, "node-1", chip_id=bytes(range(64)))
        relying = relying_party()
        nonce = relying.nonce()
        bundle = Bundle.of(other.answer(nonce), relying.collateral)
        digest = registry._evidence.keep(bundle)
        health = self.said(registry, node, nonce=nonce, evidence=digest)
        assert "another machine answers" in health.problems[0]

    def test_a_log_operator_that_changes_or_drops_evidence_is_noticed(
        self, registry, node, tmp_path
    ):
        assert nodes(registry)[0].usable
        with sqlite3.connect(tmp_path / "registry.db") as connection:
            connection.execute("UPDATE confide_evidence SET data = x'824080'")
        connection.close()
        assert "is not kept here" in nodes(registry)[0].problems[0]
        with sqlite3.connect(tmp_path / "registry.db") as connection:
            connection.execute("DELETE FROM confide_evidence")
        connection.close()
        assert "is not kept here" in nodes(registry)[0].problems[0]

    def test_every_party_verifies_by_a_policy_of_its_own(self, registry, node):
        strict = relying_party()
        levels = {"Milan": {**LEAST["Milan"], "microcode": 255}}
        strict = replace(strict, policy=replace(strict.policy, minimum_levels=levels))
        (health,) = registry.nodes(strict)
        assert "does not hold here, at tcb" in health.problems[0]

    def test_all_is_verified_again_and_what_is_not_is_counted(self, registry, node, machine):
        assert registry.verify([], None, [relying_party()]) == 0
        assert registry.verify([], None) == 1
        relying = relying_party()
        other = replace(relying, policy=replace(relying.policy, max_evidence_age=timedelta(1)))
        assert registry.verify([], None, [other]) == 0
        nonce = relying.nonce()
        registry.attest(node, machine.answer(nonce), relying, nonce, key("operator"))
        assert registry.verify([], None, [other]) == 1, "the earlier one is under another policy"

    def test_the_collateral_that_was_used_is_kept(self, registry, machine):
        """Also where the machine passes none on, and the reader has none."""
        relying = relying_party()
        nonce = relying.nonce()
        whole = Evidence.from_bytes(machine.answer(nonce))
        given = Collateral.of(whole.collateral)
        bare = replace(whole, collateral=()).to_bytes()
        helped = replace(relying, collateral=given)
        registry.propose_node("node-1", bare, helped, nonce, key("operator"))
        (health,) = registry.nodes(relying)
        assert health.problems == ("it is pending",)


class TestHeartbeats:
    @pytest.fixture
    def registry(self, tmp_path, clock):
        return found(tmp_path / "registry.db", clock, heartbeat_seconds=60)

    def beat(self, registry, machine, fields=None):
        beat = Heartbeat.of(registry.id, machine.name, registry.clock(), machine.keys.signing)
        return replace(beat, **fields or {}).to_bytes()

    def test_a_node_that_is_silent_is_not_used(self, registry, machine, clock):
        enrolled(registry, machine)
        (health,) = nodes(registry)
        assert health.problems == ("it never sent a heartbeat",)
        registry.heartbeat(self.beat(registry, machine))
        assert nodes(registry)[0].usable
        clock.pass_(seconds=61)
        assert nodes(registry)[0].problems == ("it is silent for 61 seconds",)

    def test_is_taken_once_and_in_order(self, registry, machine, clock):
        enrolled(registry, machine)
        first = self.beat(registry, machine)
        registry.heartbeat(first)
        clock.pass_(seconds=30)
        registry.heartbeat(self.beat(registry, machine))
        clock.pass_(seconds=61)
        with pytest.raises(ProtocolError, match="came before, or an older one"):
            registry.heartbeat(first)
        assert not nodes(registry)[0].usable

    def test_of_the_future_is_refused(self, registry, machine, clock):
        """A heartbeat for tomorrow would keep a node alive that is gone."""
        enrolled(registry, machine)
        clock.pass_(seconds=DAY)
        later = self.beat(registry, machine)
        clock.pass_(seconds=-DAY)
        with pytest.raises(ProtocolError, match="ahead of the clock"):
            registry.heartbeat(later)

    def test_nobody_else_gives_it(self, registry, machine):
        enrolled(registry, machine)
        other = Machine(registry)
        with pytest.raises(VerificationError, match="not from the instance that was attested"):
            registry.heartbeat(self.beat(registry, other))

    @pytest.mark.parametrize("fields", [{"registry": bytes(32)}, {"time": 5}])
    def test_with_something_changed(self, registry, machine, fields):
        enrolled(registry, machine)
        with pytest.raises(ProtocolError):
            registry.heartbeat(self.beat(registry, machine, fields))

    def test_of_a_node_whose_attestation_failed(self, registry, machine):
        node = enrolled(registry, machine)
        relying = relying_party()
        with pytest.raises(AttestationError):
            registry.attest(node, b"garbage", relying, relying.nonce(), key("operator"))
        with pytest.raises(ProtocolError, match="attest it first"):
            registry.heartbeat(self.beat(registry, machine))

    @pytest.mark.parametrize("data", [b"\x80", canonical.encode([bytes(32), "node-1", True, b""])])
    def test_that_is_none(self, registry, data):
        with pytest.raises(ProtocolError, match="not a valid heartbeat"):
            registry.heartbeat(data)

    @pytest.mark.parametrize("what", ["nothing", "another's", "a later time"])
    def test_that_the_log_operator_wrote_keeps_no_node_alive(
        self, registry, machine, clock, what, tmp_path
    ):
        enrolled(registry, machine)
        registry.heartbeat(self.beat(registry, machine))
        clock.pass_(hours=5)
        forged = {
            "nothing": b"",
            "another's": self.beat(registry, Machine(registry)),
            "a later time": replace(
                Heartbeat.from_bytes(self.beat(registry, machine)), time=int(NOW.timestamp()) + 9
            ).to_bytes(),
        }[what]
        with sqlite3.connect(tmp_path / "registry.db") as connection:
            connection.execute(
                "UPDATE confide_heartbeats SET time = ?, message = ?",
                (int(clock().timestamp()), forged),
            )
        connection.close()
        assert not nodes(registry)[0].usable

    def test_of_the_instance_before_does_not_count_for_the_next(self, registry, machine):
        node = enrolled(registry, machine)
        registry.heartbeat(self.beat(registry, machine))
        relying = relying_party()
        nonce = relying.nonce()
        again = Machine(registry)
        registry.attest(node, again.answer(nonce), relying, nonce, key("operator"))
        assert nodes(registry)[0].problems == ("it never sent a heartbeat",)


class TestTheFile:
    def test_of_a_log_that_is_no_registry(self, tmp_path):
        TransparencyLog(tmp_path / "other.db")
        with pytest.raises(DataError, match=r"other\.db holds no registry"):
            Registry(tmp_path / "other.db")

    def test_what_is_read_again_is_the_same(self, registry, build, machine, tmp_path):
        registry.accept(build, key("alder"))
        enrolled(registry, machine)
        again = Registry(tmp_path / "registry.db", registry.clock)
        assert again.state == registry.state
        again.verify([registry.log.head(key("log-operator"))], public("log-operator"))

    def test_another_process_sees_what_one_writes(self, registry, build, tmp_path):
        other = Registry(tmp_path / "registry.db", registry.clock)
        other.accept(other.find(build.id.hex()), key("alder"))
        registry.accept(build, key("birch"))
        assert status(other, build) == status(registry, build) == "accepted"

    def test_an_end_that_was_cut_off_is_found_by_a_head(self, registry, build, tmp_path):
        head = registry.log.head(key("log-operator"))
        shorter = found(tmp_path / "shorter.db")
        with pytest.raises(ProtocolError, match="it was truncated"):
            shorter.verify([head], public("log-operator"))
        with pytest.raises(VerificationError, match="not signed"):
            registry.verify([head], public("alder"))

    def test_a_registry_made_anew_is_another_one(self, registry, build, tmp_path):
        head = registry.log.head(key("log-operator"))
        forged = found(tmp_path / "forged.db", threshold=1)
        forged.propose_build(RELEASE, key("operator"))
        with pytest.raises(VerificationError, match="changed or removed"):
            forged.verify([head], public("log-operator"))

    def test_a_statement_can_be_shown_to_who_has_no_copy(self, registry, build):
        registry.accept(build, key("alder"))
        shown = registry.log.inclusion(2, key("log-operator"))
        statement = Statement.from_bytes(shown.verify(public("log-operator")).body)
        statement.verify(public("alder"))
        assert isinstance(statement.fact, Decided)
        assert statement.fact.accepted


class TestStatements:
    FACTS = (
        founding(),
        BuildProposed(RELEASE.to_bytes()),
        NodeProposed("node-1", "snp", "ab"),
        MemberProposed("dogwood", public("dogwood"), "operator"),
        Decided(bytes(32), True, "fine", bytes(64)),
    )

    @pytest.mark.parametrize("fact", FACTS, ids=lambda fact: type(fact).__name__)
    def test_in_bytes_are_the_same(self, fact):
        said = Statement(bytes(32), "alder", 3, fact).signed(key("alder"))
        again = Statement.from_bytes(said.to_bytes())
        assert again == said
        again.verify(public("alder"))
        with pytest.raises(VerificationError):
            again.verify(public("birch"))

    @pytest.mark.parametrize("data", [b"", b"\xa0", b"\x80", b"\xff" * 9])
    def test_that_are_none(self, data):
        with pytest.raises(ProtocolError):
            Statement.from_bytes(data)

    @pytest.mark.parametrize(
        "bad",
        [
            lambda: MemberProposed("x", bytes(31), "party"),
            lambda: MemberProposed("x", bytes(32), "emperor"),
            lambda: NodeProposed("x", "abacus", "id"),
            lambda: Decided(bytes(32), True, "y" * 501),
            lambda: Attested(bytes(32), 0, b"", b"", b"", "", "", "hardware"),
            lambda: Attested(bytes(32), -1, b"", b"", b"", "parse", "", ""),
            lambda: Attested(bytes(32), 1 << 60, b"", b"", b"", "parse", "", ""),
        ],
    )
    def test_nobody_may_make(self, bad):
        with pytest.raises(PlanError):
            bad()

    @pytest.mark.parametrize(
        "change",
        [
            {"more": 1},
            {"said": {}},
            {"said": {"proposal": bytes(32), "accepted": True, "reason": "fine"}},
            {"said": {"proposal": 7, "accepted": True, "reason": "fine", "signature": b""}},
            {"said": {"proposal": bytes(32), "accepted": 1, "reason": "fine", "signature": b""}},
            {"kind": "wished"},
            {"sequence": True},
            {"by": b"alder"},
        ],
        ids=str,
    )
    def test_say_what_they_say_and_nothing_more(self, change):
        said = Statement(bytes(32), "alder", 1, Decided(bytes(32), True, "fine", bytes(64)))
        values = canonical.decode(said.to_bytes(), 1 << 16)
        assert Statement.from_bytes(canonical.encode(values)) == said
        with pytest.raises(ProtocolError):
            Statement.from_bytes(canonical.encode({**values, **change}))

    def test_a_false_build_is_no_statement(self):
        said = Statement(bytes(32), "alder", 0, BuildProposed(RELEASE.to_bytes()))
        data = said.to_bytes().replace(b"aggregator", b"aggregatos")
        fact = Statement.from_bytes(data).fact
        assert isinstance(fact, BuildProposed)
        assert fact.read.name == "aggregatos"
        with pytest.raises(ProtocolError):
            Statement.from_bytes(data.replace(b"confide release 1", b"confide release 2"))


def relying_at(clock):
    return replace(relying_party(), clock=clock)


def test_founded_is_what_the_state_says(registry):
    assert isinstance(registry.state.founded, Founded)
    assert registry.state.parties == set(PARTIES)
