"""SGX and TDX: what Intel states, lists and signs, and what a peer may make of it."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from confide_sim import IntelFault, IntelVendor, Machine, SgxAttributes, TdAttributes, pki
from cryptography.hazmat.primitives.serialization import Encoding
from tests.tee.support import NOW, asked, policy_of, reference_of, vendor

from confide.errors import AttestationError, Step
from confide.tee import Collateral, Platform, dcap, quote, verify
from confide.tee.attestation import Assurance
from confide.tee.certificates import load_certificate
from confide.tee.intel import document_for

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
PARTS = {
    "levels": ("tcb_info", "tcb_info_signature", "tcb_info_issuer_chain"),
    "identity": ("qe_identity", "qe_identity_signature", "qe_identity_issuer_chain"),
    "list of platforms": ("pck_crl",),
    "list of the root": ("root_ca_crl",),
}
CHAINS = ("tcb_info_issuer_chain", "qe_identity_issuer_chain", "pck_crl_issuer_chain")
every = pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX], ids=lambda p: p.value)


def given(case):
    return json.loads(case.emitted.collateral[0])


def step_of(case, *documents, at=NOW, **policy):
    """The step at which a case is refused with these documents; None if it holds."""
    accepting = policy_of(reference_of(case.platform, case.evidence.document), **policy)
    collateral = Collateral.of(json.dumps(document).encode() for document in documents)
    try:
        verify(case.evidence, accepting, case.carried, collateral=collateral, at=at)
    except AttestationError as error:
        return error.step
    return None


def intel():
    """The simulated vendor whose machines `asked` asks."""
    return vendor("intel", 0)


def platforms(case):
    """Who certified the case's key, and signs the list of revoked ones."""
    del case
    return intel()._issuers["platform"]


def listed(by, *serials, issued=NOW - DAY, life=30 * DAY):
    revoked = pki.revocation_list(by, serials, (issued, issued + life))
    return revoked.public_bytes(Encoding.DER).hex()


def chain_of(case):
    return quote.parse(case.evidence.document).chain


class TestAge:
    @every
    @pytest.mark.parametrize("part", PARTS)
    @pytest.mark.parametrize("days", [6, 9])
    def test_each_part_is_of_a_week_but_the_roots_list(self, platform, part, days):
        """One that is old would hide what was found since, however new the others are."""
        case, old = asked(platform), asked(platform, issued=NOW - days * DAY)
        mixed = {**given(case), **{key: given(old)[key] for key in PARTS[part]}}
        late = days > 7 and part != "list of the root"
        assert step_of(case, mixed) is (Step.FRESHNESS if late else None)
        assert step_of(case, mixed, max_collateral_age=10 * DAY) is None

    @every
    @pytest.mark.parametrize("part", PARTS)
    def test_no_part_may_come_from_the_future(self, platform, part):
        case, new = asked(platform), asked(platform, issued=NOW + timedelta(hours=1))
        mixed = {**given(case), **{key: given(new)[key] for key in PARTS[part]}}
        assert step_of(case, mixed) is Step.FRESHNESS

    @every
    def test_it_expires_with_the_statements(self, platform):
        case = asked(platform)
        found = verify(
            case.evidence, policy_of(reference_of(platform, case.evidence.document)),
            case.carried, collateral=case.collateral, at=NOW,
        )  # fmt: skip
        assert found.expires == NOW + 29 * DAY


@every
def test_of_other_machines_or_of_none_is_no_collateral(platform):
    case = asked(platform)
    (other,) = {Platform.SGX, Platform.TDX} - {platform}
    assert step_of(case) is Step.ROOT
    assert step_of(case, given(asked(other))) is Step.ROOT


class TestRevocation:
    @every
    def test_of_the_machines_key(self, platform):
        case = asked(platform)
        (serial,) = {chain_of(case)[0].serial_number}
        revoking = {**given(case), "pck_crl": listed(platforms(case), 1, serial, 2)}
        assert step_of(case, revoking) is Step.ROOT
        others = {**given(case), "pck_crl": listed(platforms(case), 1, serial ^ 1, 2)}
        assert step_of(case, others) is None

    @every
    @pytest.mark.parametrize("whose", ["issuer", "signer"])
    def test_by_the_roots_list(self, platform, whose):
        """Of who certifies machines, and of who signs statements."""
        case = asked(platform)
        certificate = {
            "issuer": platforms(case).certificate,
            "signer": intel()._tcb_certificate,
        }[whose]
        root = intel()._root
        revoking = {**given(case), "root_ca_crl": listed(root, certificate.serial_number)}
        assert step_of(case, revoking) is Step.ROOT
        others = {**given(case), "root_ca_crl": listed(root, certificate.serial_number ^ 1)}
        assert step_of(case, others) is None

    @every
    def test_the_peers_newer_document_with_an_older_list_hides_nothing(self, platform):
        """All of it is signed and in time; only the list is from before the key was revoked."""
        case, new = asked(platform), asked(platform, issued=NOW - timedelta(hours=1))
        serial = chain_of(case)[0].serial_number
        own = {**given(case), "pck_crl": listed(platforms(case), serial)}
        passed_on = {**given(new), "pck_crl": listed(platforms(case), issued=NOW - 5 * DAY)}
        assert step_of(case, passed_on) is None
        for documents in ((own, passed_on), (passed_on, own)):
            assert step_of(case, *documents) is Step.ROOT

    @every
    def test_a_list_for_other_machines_counts_if_it_names_this_one(self, platform):
        """Lists are by issuer, not by family."""
        case, other = asked(platform), asked(platform, machine=Machine(fmspc=b"others"))
        serial = chain_of(case)[0].serial_number
        revoking = {**given(other), "pck_crl": listed(platforms(case), serial)}
        assert step_of(case, given(case), given(other)) is None
        assert step_of(case, given(case), revoking) is Step.ROOT

    @every
    def test_a_forged_list_revokes_nothing(self, platform):
        case = asked(platform)
        forger = pki.forger_of(platforms(case), intel()._tcb_key)
        serial = chain_of(case)[0].serial_number
        forged = {**given(case), "pck_crl": listed(forger, serial)}
        assert step_of(case, forged) is Step.ROOT  # where it is all there is, it is no list
        better = {**given(asked(platform, evaluation_number=18)), "pck_crl": given(case)["pck_crl"]}
        assert step_of(case, better, forged) is None

    @every
    @pytest.mark.parametrize("odd", ["", "00", "zz", "3000", "é"])
    @pytest.mark.parametrize("key", ["pck_crl", "root_ca_crl"])
    def test_a_list_that_does_not_read(self, platform, key, odd):
        case = asked(platform)
        assert step_of(case, {**given(case), key: odd}) is Step.ROOT

    @every
    def test_the_list_of_another_issuer(self, platform):
        """The Processor CA's, for a machine of the Platform CA's."""
        case = asked(platform)
        other = asked(platform, machine=Machine(ca="processor"))
        taken = {key: given(other)[key] for key in ("pck_crl", "pck_crl_issuer_chain")}
        assert step_of(case, {**given(case), **taken}) is Step.ROOT
        assert step_of(case, {**given(case), "pck_crl": taken["pck_crl"]}) is Step.ROOT


class TestSteps:
    """What the library says in words comes out at the step where it belongs."""

    @every
    def test_a_platform_for_which_intel_states_no_level(self, platform):
        old = asked(platform, machine=Machine(components=bytes(16), pce_svn=0))
        assert step_of(old, given(old)) is None
        assert step_of(old, given(asked(platform))) is Step.TCB

    @every
    def test_a_key_that_is_certified_for_later_than_the_statements_hold(self, platform):
        later = asked(platform, at=NOW + 4000 * DAY)
        assert step_of(later, given(asked(platform))) is Step.FRESHNESS


class TestChains:
    @every
    @pytest.mark.parametrize("key", CHAINS)
    @pytest.mark.parametrize(
        "rewrite",
        [
            lambda first, root: root + first,
            lambda first, root: first,
            lambda first, root: root,
            lambda first, root: first + root + root,
            lambda first, root: first + first + root,
            lambda first, root: first + pki.pem(load_certificate(vendor("intel", 1).root)).decode(),
            lambda first, root: "",
        ],
    )
    def test_of_the_collateral_are_exact(self, platform, key, rewrite):
        """The library reads the first certificate alone, and what it does not read could be all."""
        case = asked(platform)
        end = "-----END CERTIFICATE-----\n"
        first, root, _ = (part + end for part in given(case)[key].split(end))
        assert step_of(case, {**given(case), key: rewrite(first, root)}) is Step.ROOT

    @every
    def test_a_machine_signs_no_statements(self, platform):
        """A stolen machine's key is certified, by the same root."""
        case = asked(platform)
        own = pki.pem(*chain_of(case)).decode()
        for key in CHAINS[:2]:
            assert step_of(case, {**given(case), key: own}) is Step.ROOT

    @every
    def test_with_another_vendors_root_pinned(self, platform):
        case = asked(platform)
        parsed = quote.parse(case.evidence.document)
        root = load_certificate(IntelVendor().root)
        with pytest.raises(AttestationError, match="which is not pinned") as raised:
            dcap.authenticate(
                case.evidence.document, parsed, case.collateral.intel,
                [(root, Assurance.SIMULATED)], at=NOW, max_age=WEEK,
            )  # fmt: skip
        assert raised.value.step is Step.ROOT

    @every
    def test_a_key_that_is_none_of_a_machines(self, platform):
        case = asked(platform)
        chain = chain_of(case)
        parsed = replace(quote.parse(case.evidence.document), chain=chain[1:2] + chain[1:])
        root = load_certificate(intel().root)
        with pytest.raises(AttestationError, match="not a certificate of a platform's key"):
            document_for(parsed, case.collateral.intel, root)


class TestReading:
    @every
    def test_a_document_that_says_a_thing_twice(self, platform):
        """JSON does not say which of the two counts."""
        case = asked(platform)
        for key in given(case):
            again = json.dumps({key: given(case)[key]})[1:-1]
            text = f"{json.dumps(given(case))[:-1]}, {again}}}".encode()
            with pytest.raises(AttestationError):
                verify(
                    case.evidence, policy_of(reference_of(platform, case.evidence.document)),
                    case.carried, collateral=Collateral.of([text]), at=NOW,
                )  # fmt: skip

    @every
    def test_what_two_readers_see_differently(self, platform):
        """If ours took other bytes for a field than the library, neither is believed."""
        case = asked(platform)
        parsed = quote.parse(case.evidence.document)
        pinned = [(load_certificate(intel().root), Assurance.SIMULATED)]
        names = [n for n in parsed.measurements if n in dcap._OURS]
        assert {"mrenclave", "mrsigner"} <= {*names} or {"mrtd", "rtmr3"} <= {*names}
        changes = [
            replace(parsed, measurements={**parsed.measurements, n: bytes(len(v))})
            for n, v in ((n, parsed.measurements[n]) for n in names)
            if any(v)
        ]
        for changed in [*changes, replace(parsed, report_data=bytes(64))]:
            with pytest.raises(AttestationError, match="reads differently") as raised:
                dcap.authenticate(
                    case.evidence.document, changed, case.collateral.intel, pinned,
                    at=NOW, max_age=WEEK,
                )  # fmt: skip
            assert raised.value.step is Step.PARSE

    @every
    @pytest.mark.parametrize("ca", ["platform", "processor"])
    def test_the_machine_is_named_by_its_instance_or_its_processor(self, platform, ca):
        machine = Machine(ca=ca)
        case = asked(platform, machine=machine)
        found = verify(
            case.evidence, policy_of(reference_of(platform, case.evidence.document)),
            case.carried, collateral=case.collateral, at=NOW,
        )  # fmt: skip
        assert found.node == (machine.instance_id if ca == "platform" else machine.ppid).hex()

    @every
    def test_advisories_of_the_level_are_told_in_order(self, platform):
        case = asked(platform, advisories=("INTEL-SA-2", "INTEL-SA-1"))
        allowed = frozenset({"INTEL-SA-1", "INTEL-SA-2", "INTEL-SA-3"})
        assert step_of(case, given(case), advisories=allowed) is None
        for name in ("INTEL-SA-1", "INTEL-SA-2"):
            assert step_of(case, given(case), advisories=allowed - {name}) is Step.TCB


OPEN: dict[Platform, dict[str, Any]] = {
    Platform.SGX: {"attributes": SgxAttributes.INIT | SgxAttributes.DEBUG},
    Platform.TDX: {"td_attributes": TdAttributes.SEPT_VE_DISABLE | TdAttributes.DEBUG},
}
WRONG: dict[str, tuple[Step, dict[str, Any]]] = {
    "signature": (Step.ROOT, {"faults": [IntelFault.BAD_SIGNATURE]}),
    "revoked": (Step.ROOT, {"faults": [IntelFault.REVOKED_LEAF]}),
    "ended": (Step.FRESHNESS, {"faults": [IntelFault.EXPIRED_TCB]}),
    "old": (Step.FRESHNESS, {"issued": NOW - 9 * DAY}),
    "level": (Step.TCB, {"tcb_status": "OutOfDate"}),
}


class TestOrder:
    """With two things wrong, the earlier step is told."""

    @every
    @pytest.mark.parametrize("first", WRONG)
    @pytest.mark.parametrize("second", WRONG)
    def test_the_earlier_is_told(self, platform, first, second):
        (step, one), (other_step, other) = WRONG[first], WRONG[second]
        faults = [*one.get("faults", []), *other.get("faults", [])]
        case = asked(platform, **{**one, **other, "faults": faults})
        assert step_of(case, given(case)) is min(step, other_step, key=list(Step).index)

    @every
    @pytest.mark.parametrize("wrong", WRONG)
    def test_what_is_open_is_told_once_root_and_dates_hold(self, platform, wrong):
        """Intel's library says nothing of the level of what is open."""
        step, circumstances = WRONG[wrong]
        case = asked(platform, **circumstances, **OPEN[platform])
        assert step_of(case, given(case)) is (Step.DEBUG if step is Step.TCB else step)
