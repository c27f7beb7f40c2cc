"""Collateral is fetched as vendors serve it, verifies, and is kept; no server is trusted."""

import json
import os
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from confide_operator.fetch import Cache, Client, listed
from confide_operator.fetch.amd import products_of, vcek_query
from confide_operator.fetch.http import check_url
from confide_operator.fetch.intel import issuer_of
from tests.operator.fetch.servers import Service, kds, pccs, serving
from tests.tee.support import NOW, asked, policy_of, reference_of, vendor

from confide.errors import AttestationError, DataError, Step
from confide.tee import Collateral, Platform, snp, verify
from confide.tee.intel import family_of
from confide.tee.quote import parse


@pytest.fixture
def service():
    with serving(Service()) as service:
        yield service


def cache_of(service, folder, **fields):
    return Cache(folder, pcs=service.url, kds=service.url, **fields)


def intel(service, platform):
    case = asked(platform)
    quote = parse(case.evidence.document)
    service.answers |= pccs(case.emitted, platform.value, family_of(quote), issuer_of(quote))
    return case


def amd(service, product="Milan", **case):
    made = asked(Platform.SNP, product=product, **case)
    report = snp.parse(made.evidence.document)
    query = vcek_query(report, product) if report.signer == "VCEK" else ""
    service.answers |= kds(made.emitted, query, product, report.signer.lower())
    return made


def verified(case, folder, **policy):
    """Verifies evidence with what is in a folder, and nothing else."""
    reference = reference_of(case.platform, case.evidence.document)
    return verify(
        case.evidence,
        policy_of(reference, **policy),
        case.carried,
        collateral=Collateral.read([folder]),
        at=NOW,
    )


class TestIntel:
    @pytest.mark.parametrize("platform", [Platform.SGX, Platform.TDX])
    def test_what_is_fetched_verifies(self, service, tmp_path, platform):
        case = intel(service, platform)
        (fetched,) = cache_of(service, tmp_path).fill(case.evidence.document)
        assert fetched.new
        assert verified(case, tmp_path).tcb.status == "UpToDate"

    def test_the_processor_authoritys_machines(self, service, tmp_path):
        from confide_sim import Machine

        case = asked(Platform.SGX, machine=Machine(ca="processor"))
        quote = parse(case.evidence.document)
        assert issuer_of(quote) == "processor"
        service.answers |= pccs(case.emitted, "sgx", family_of(quote), "processor")
        cache_of(service, tmp_path).fill(case.evidence.document)
        verified(case, tmp_path)

    def test_statements_are_kept_byte_by_byte_as_they_were_signed(self, service, tmp_path):
        case = intel(service, Platform.SGX)
        (fetched,) = cache_of(service, tmp_path).fill(case.evidence.document)
        there = json.loads(fetched.path.read_text())
        given = json.loads(case.emitted.collateral[0])
        assert there["tcb_info"] == given["tcb_info"]
        assert there["qe_identity"] == given["qe_identity"]

    def test_is_kept_for_a_day_and_then_renewed(self, service, tmp_path):
        case = intel(service, Platform.SGX)
        cache = cache_of(service, tmp_path)
        cache.fill(case.evidence.document)
        before = len(service.asked)
        (again,) = cache.fill(case.evidence.document)
        assert not again.new
        assert len(service.asked) == before
        yesterday = time.time() - 25 * 3600
        os.utime(again.path, (yesterday, yesterday))
        (renewed,) = cache.fill(case.evidence.document)
        assert renewed.new

    def test_early_levels_are_asked_for_as_such(self, service, tmp_path):
        case = intel(service, Platform.SGX)
        with pytest.raises(DataError, match="there is nothing at"):
            cache_of(service, tmp_path, update="early").fill(case.evidence.document)
        assert "update=early" in service.asked[0]

    @pytest.mark.parametrize(
        ("where", "change", "problem"),
        [
            ("tcb?", lambda a: (200, {}, a[2]), "lacks the header tcb-info-issuer-chain"),
            ("tcb?", lambda a: (200, a[1], b"{}"), "is not tcbInfo with a signature"),
            ("tcb?", lambda a: (200, a[1], b"\xff"), "is not tcbInfo with a signature"),
            ("tcb?", lambda a: (200, a[1], a[2].replace(b'"fmspc":"', b'"fmspc":"00')),
             "sends TCB levels of"),
            ("qe/identity", lambda a: (200, a[1], b'{"signature": "00"}'),
             "is not enclaveIdentity with a signature"),
            ("pckcrl", lambda a: (200, a[1], b"garbage"), "is not collateral"),
            ("rootcacrl", lambda a: (200, a[1], b"3082"), "is not collateral"),
            ("tcb?", lambda a: (200, a[1], bytes(2 << 20)), "more than 1,048,576 bytes"),
            ("tcb?", lambda a: (500, {}, b""), "answers 500"),
            ("tcb?", lambda a: (301, {"Location": "http://127.0.0.1:1/"}, b""), "sends elsewhere"),
        ],
    )  # fmt: skip
    def test_what_is_no_collateral_is_not_written(self, service, tmp_path, where, change, problem):
        case = intel(service, Platform.SGX)
        (path,) = [path for path in service.answers if where in path]
        service.answers[path] = change(service.answers[path])
        cache = cache_of(service, tmp_path / "new", client=Client(sleep=lambda _: None))
        with pytest.raises(DataError, match=problem):
            cache.fill(case.evidence.document)
        assert not (tmp_path / "new").exists()

    def test_what_another_signed_is_written_and_does_not_verify(self, service, tmp_path):
        """The fetcher trusts nobody and judges nothing: verifying does."""
        case = intel(service, Platform.SGX)
        other = vendor("intel", 1).attest_sgx(case.report_data, at=NOW)
        quote = parse(case.evidence.document)
        service.answers = pccs(other, "sgx", family_of(quote), issuer_of(quote))
        cache_of(service, tmp_path).fill(case.evidence.document)
        with pytest.raises(AttestationError) as refused:
            verified(case, tmp_path)
        assert refused.value.step is Step.ROOT


class TestAmd:
    @pytest.mark.parametrize("product", ["Milan", "Genoa", "Turin"])
    def test_what_is_fetched_verifies(self, service, tmp_path, product):
        case = amd(service, product)
        fetched = cache_of(service, tmp_path).fill(case.evidence.document)
        assert [f.new for f in fetched] == [True] * 3
        least = {"bootloader": 0, "tee": 0, "snp": 0, "microcode": 0}
        least |= {"fmc": 0} if product == "Turin" else {}
        verified(case, tmp_path, minimum_levels={product: least})

    def test_certificates_are_kept_and_lists_renewed(self, service, tmp_path):
        case = amd(service)
        cache = cache_of(service, tmp_path, max_age=0.0)
        cache.fill(case.evidence.document)
        time.sleep(0.02)
        again = cache.fill(case.evidence.document)
        assert [(f.path.suffix, f.new) for f in again] == [
            (".der", False),
            (".pem", False),
            (".der", True),
        ]

    def test_another_chip_or_level_has_another_certificate(self, service, tmp_path):
        from confide_sim import Tcb

        first = amd(service)
        second = amd(service, chip_id=bytes(range(64)))
        third = amd(service, tcb=Tcb(bootloader=4, tee=0, snp=23, microcode=213))
        cache = cache_of(service, tmp_path)
        for case in (first, second, third):
            cache.fill(case.evidence.document)
        assert len(list(tmp_path.glob("*vcek-*-*-*-*.der"))) == 3
        for case in (first, second, third):
            verified(case, tmp_path)

    def test_an_older_report_does_not_say_its_product_and_both_are_tried(self, service, tmp_path):
        case = amd(service, "Genoa", version=2)
        cache_of(service, tmp_path).fill(case.evidence.document)
        assert "/Milan/" in service.asked[0]
        assert "/Genoa/" in service.asked[1]

    def test_a_product_that_is_named_is_the_one_that_is_asked_for(self, service, tmp_path):
        case = amd(service, "Genoa", version=2)
        cache_of(service, tmp_path, product="Genoa").fill(case.evidence.document)
        assert not any("Milan" in path for path in service.asked)

    def test_of_a_providers_key_the_chain_and_the_list(self, service, tmp_path):
        case = amd(service, key="vlek")
        fetched = cache_of(service, tmp_path).fill(case.evidence.document)
        assert [f.path.name for f in fetched] == [
            "amd-milan-vlek-chain.pem",
            "amd-milan-vlek-crl.der",
        ]
        old = asked(Platform.SNP, key="vlek", version=2)
        with pytest.raises(DataError, match="name it with --product"):
            cache_of(service, tmp_path).fill(old.evidence.document)

    def test_a_chip_that_nobody_knows(self, service, tmp_path):
        case = asked(Platform.SNP)
        with pytest.raises(DataError, match="AMD has no certificate for this chip"):
            cache_of(service, tmp_path / "new").fill(case.evidence.document)
        assert not (tmp_path / "new").exists()

    def test_a_chip_that_hides(self, service, tmp_path):
        document = bytearray(asked(Platform.SNP).evidence.document)
        document[0x1A0:0x1E0] = bytes(64)
        with pytest.raises(DataError, match="hides its chip"):
            cache_of(service, tmp_path).fill(bytes(document))
        assert service.asked == []

    def test_an_unknown_processor(self):
        document = bytearray(asked(Platform.SNP).evidence.document)
        document[0x188] = 0x30
        with pytest.raises(DataError, match=r"family 0x30.* name its product"):
            products_of(snp.parse(bytes(document)))


def test_nitro_needs_nothing(service, tmp_path):
    assert cache_of(service, tmp_path).fill(asked(Platform.NITRO).evidence.document) == []
    assert service.asked == []


def test_what_is_no_evidence_is_asked_for_nowhere(service, tmp_path):
    with pytest.raises(AttestationError, match="not evidence of sgx, tdx, snp, nitro"):
        cache_of(service, tmp_path).fill(b"no evidence")
    assert service.asked == []


class TestClient:
    def test_a_busy_server_is_asked_again_as_it_wishes(self, service, tmp_path):
        waits: list[float] = []
        case = amd(service)
        service.busy = 2
        cache = cache_of(service, tmp_path, client=Client(sleep=waits.append))
        cache.fill(case.evidence.document)
        assert waits == [3.0, 3.0]

    def test_not_for_ever(self, service, tmp_path):
        waits: list[float] = []
        case = amd(service)
        service.busy = 100
        with pytest.raises(DataError, match="answers 429"):
            cache_of(service, tmp_path, client=Client(sleep=waits.append)).fill(
                case.evidence.document
            )
        assert len(waits) == 3

    def test_nobody_there(self, tmp_path):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        with pytest.raises(DataError, match="cannot fetch http://127"):
            Cache(tmp_path, kds=f"http://127.0.0.1:{port}").fill(
                asked(Platform.SNP).evidence.document
            )

    def test_a_server_that_says_nothing(self, tmp_path):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"http://127.0.0.1:{silent.getsockname()[1]}"
            with pytest.raises(DataError, match="timed out"):
                Cache(tmp_path, kds=url, client=Client(timeout=0.1)).fill(
                    asked(Platform.SNP).evidence.document
                )

    @pytest.mark.parametrize(
        "url", ["http://example.com", "ftp://127.0.0.1", "file:///etc/passwd", "https://", "", "x"]
    )
    def test_a_server_that_could_be_anybody(self, url, tmp_path):
        with pytest.raises(DataError, match="is not an allowed address"):
            Cache(tmp_path, kds=url)

    @pytest.mark.parametrize("url", ["https://example.com/x", "http://[::1]:8", "http://localhost"])
    def test_a_server_that_can_be_trusted_to_be_itself(self, url):
        check_url(url)

    @pytest.mark.parametrize("options", [{"update": "late"}, {"product": "Naples"}])
    def test_options_that_are_none(self, options, tmp_path):
        with pytest.raises(DataError):
            Cache(tmp_path, **options)


class TestListing:
    def test_says_of_whom_and_until_when(self, service, tmp_path):
        cache = cache_of(service, tmp_path)
        for case in (intel(service, Platform.TDX), amd(service)):
            cache.fill(case.evidence.document)
        found = listed(tmp_path, NOW, timedelta(days=7))
        assert [item.warning for item in found] == [""] * len(found)
        assert {item.kind for item in found} == {
            "certificate",
            "revocation list",
            "TCB levels",
            "quoting enclave",
        }
        assert all(item.since and item.until and item.since <= NOW <= item.until for item in found)

    @pytest.mark.parametrize(
        ("days", "warning"),
        [(8, "older than 7 days"), (28, "older than 7 days"), (40, "older than 7 days")],
    )
    def test_warns_of_what_is_old(self, service, tmp_path, days, warning):
        cache_of(service, tmp_path).fill(intel(service, Platform.SGX).evidence.document)
        found = listed(tmp_path, NOW + timedelta(days=days), timedelta(days=7))
        levels = [item.warning for item in found if item.kind == "TCB levels"]
        assert warning in levels[0]

    def test_warns_of_what_ends(self, service, tmp_path):
        cache_of(service, tmp_path).fill(amd(service).evidence.document)
        ends = max(
            item.until
            for item in listed(tmp_path, NOW, timedelta(days=7))
            if item.kind == "revocation list" and item.until
        )
        for before, warning in ((2, "expires within 3 days"), (-1, "has expired")):
            at = ends - timedelta(days=before)
            found = listed(tmp_path, at, timedelta(days=7))
            (listed_,) = [item for item in found if item.kind == "revocation list"]
            assert warning in listed_.warning

    def test_names_what_does_not_read(self, tmp_path):
        (tmp_path / "odd").write_text("odd")
        (found,) = listed(tmp_path, datetime.now(UTC), timedelta(days=7))
        assert (found.file, found.kind, found.warning) == ("odd", "unreadable", "take it away")
