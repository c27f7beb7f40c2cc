"""`confide tee collateral`: fetched from servers on this machine, listed, and used offline."""

import json

import pytest
from confide_operator.fetch.amd import vcek_query
from tests.operator.fetch.servers import Service, kds, serving
from tests.tee.support import asked

from confide.tee import Platform, snp


@pytest.fixture
def service(folder):
    case = asked(Platform.SNP)
    (folder / "evidence").write_bytes(case.evidence.document)
    (folder / "nitro").write_bytes(asked(Platform.NITRO).evidence.document)
    query = vcek_query(snp.parse(case.evidence.document), "Milan")
    with serving(Service(kds(case.emitted, query, "Milan"))) as service:
        yield service


def fetched(confide, service, *more):
    return confide(
        "tee", "collateral", "fetch", "evidence", "--out", "cache", "--kds", service.url, *more
    )


def test_fills_a_folder_and_says_that_nothing_is_verified(service, confide, folder):
    done = fetched(confide, service)
    assert done.code == 0, done.err
    assert done.out.count("fetched") == 3
    assert "nothing of it is verified yet" in done.err
    assert fetched(confide, service).out.count("kept") == 3
    assert len(list((folder / "cache").iterdir())) == 3


def test_lists_it(service, confide):
    fetched(confide, service)
    done = confide("tee", "collateral", "show", "cache", "--at", "2026-11-24T12:00:00Z")
    assert done.code == 0, done.err
    assert "amd-milan-vcek-crl.der: revocation list" in done.out
    listed = json.loads(
        confide("tee", "collateral", "show", "cache", "--at", "2060-01-01T00:00:00Z", "--json").out
    )
    assert all("has expired" in item["warning"] for item in listed)


def test_nitro_carries_its_chain(service, confide):
    done = confide("tee", "collateral", "fetch", "nitro", "--out", "cache")
    assert "nitro carries its chain and needs nothing" in done.out


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("fetch", "absent", "--out", "c"), 3, "cannot read absent"),
        (("fetch", "plan.toml", "--out", "c"), 10, "not evidence of"),
        (
            ("fetch", "evidence", "--out", "c", "--kds", "http://example.com"),
            3,
            "is not an allowed address",
        ),
        (("fetch", "evidence", "--out", "c", "--product", "Naples"), 3, "'Naples'; known are"),
        (("show", "absent"), 3, "absent is not a folder"),
    ],
)
def test_what_cannot_be_done_is_one_clear_line(service, refused, arguments, code, message):
    assert message in refused("tee", "collateral", *arguments, code=code)
