"""From evidence to a policy that accepts it, on real evidence and on every simulated platform."""

import json

import pytest
from tests.simulator.vectors import FOLDER, vector
from tests.tee.support import NOW, VENDORS, asked, vendor

from confide.tee import Platform, inspect, read_policy
from confide.tee.certificates import load_certificate, to_pem
from confide.tee.collateral import Collateral

SUMMER = "2025-07-03T00:00:00Z"
REAL = {
    "sgx": (
        "sgx_v3_confsw.quote.bin",
        ["sgx_v3_confsw.collateral.json"],
        SUMMER,
        ["fmspc", "node", "cpu_svn", "isv_svn_number", "attributes_bits"],
    ),
    "tdx": (
        "tdx_v4_uptodate.quote.bin",
        ["tdx_v4_uptodate.collateral.json"],
        SUMMER,
        ["fmspc", "node", "module_svn_number", "attributes_bits", "xfam_bits"],
    ),
    "snp": (
        "snp_milan_v2.report.bin",
        ["snp_milan_v2.vcek.der", "snp_milan_ask_ark_asvk.pem"],
        SUMMER,
        ["node", "chip", "guest_policy_bits", "platform_info_bits", "tcb_reported", "product"],
    ),
    "vlek": (
        "snp_milan_vlek.report.bin",
        ["snp_milan_vlek.der", "snp_milan_ask_ark_asvk.pem"],
        SUMMER,
        ["guest_policy_bits", "signed_by", "tcb_committed"],
    ),
    "nitro": ("nitro_ok.cose", [], "1766668537", ["module", "node", "time"]),
}


@pytest.fixture(params=REAL)
def real(request):
    return REAL[request.param]


def given(files):
    return [part for name in files for part in ("--collateral", FOLDER / name)]


def carried(document):
    _, said = inspect(document)
    return said["user_data"] if "user_data" in said else said["report_data"]


def test_a_policy_made_of_real_evidence_accepts_it(confide, folder, real):
    file, collateral, at, _ = real
    made = confide("tee", "inspect", FOLDER / file, "--as-policy", *given(collateral), "--at", at)
    assert made.code == 0, made.err
    (folder / "policy.toml").write_text(made.out)
    data = carried(vector(file))
    verify = ("tee", "verify", FOLDER / file, "--policy", "policy.toml", *given(collateral), "--at",
              at, "--report-data")  # fmt: skip
    done = confide(*verify, data)
    assert done.code == 0, done.out
    assert confide(*verify, "00" * 64 if data != "00" * 64 else "11" * 64).code == 10


def test_all_that_a_policy_can_name_is_shown(confide, real):
    file, _, _, names = real
    lines = dict(
        line.split(maxsplit=1) for line in confide("tee", "inspect", FOLDER / file).out.splitlines()
    )
    assert not set(names) - lines.keys()
    policy = confide("tee", "inspect", FOLDER / file, "--json")
    assert set(names) <= json.loads(policy.out).keys()


@pytest.mark.parametrize("platform", list(Platform))
def test_a_policy_made_of_simulated_evidence_accepts_it_and_nothing_weaker(
    confide, folder, platform
):
    case = asked(platform)
    (folder / "evidence").write_bytes(case.emitted.evidence)
    root = load_certificate(vendor(VENDORS[platform], 0).root)
    (folder / "root.pem").write_bytes(to_pem([root]))
    for number, item in enumerate(case.emitted.collateral):
        (folder / f"c{number}").write_bytes(item)
    options = [p for n in range(len(case.emitted.collateral)) for p in ("--collateral", f"c{n}")]
    options += ["--at", NOW.isoformat()]
    refused = confide("tee", "inspect", "evidence", "--as-policy", *options)
    assert refused.code == 10, "a simulator's root is accepted by nobody who does not name it"
    made = confide(
        "tee", "inspect", "evidence", "--as-policy", *options, "--simulated-root", "root.pem"
    )
    assert made.code == 0, made.err
    assert "SIMULATED" in made.err
    (folder / "policy.toml").write_text(made.out)
    policy = read_policy(folder / "policy.toml")
    assert policy.nodes is not None
    assert len(policy.nodes) == 1
    verify = ("tee", "verify", "evidence", "--policy", "policy.toml", *options)
    assert confide(*verify, "--report-data", case.report_data.hex()).code == 0
    if platform is Platform.SNP:
        weaker = asked(platform, platform_info=0)
        (folder / "evidence").write_bytes(weaker.emitted.evidence)
        (folder / "c0").write_bytes(weaker.emitted.collateral[0])
        done = confide(*verify, "--report-data", weaker.report_data.hex())
        assert done.code == 10
        assert "lacks ecc_en, alias_check_complete" in done.out


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ({"policy": 1 << 19 | 1 << 17}, "allows debugging"),
        ({"policy": 1 << 18 | 1 << 17}, "migration agent"),
        ({"measurement": bytes(48)}, "measurement are zero"),
    ],
)
def test_no_policy_is_made_of_what_no_policy_accepts(confide, folder, case, reason):
    made = asked(Platform.SNP, **case)
    (folder / "evidence").write_bytes(made.emitted.evidence)
    root = load_certificate(vendor("amd", 0).root)
    (folder / "root.pem").write_bytes(to_pem([root]))
    for number, item in enumerate(made.emitted.collateral):
        (folder / f"c{number}").write_bytes(item)
    options = [p for n in range(len(made.emitted.collateral)) for p in ("--collateral", f"c{n}")]
    done = confide("tee", "inspect", "evidence", "--as-policy", *options, "--at", NOW.isoformat(),
                   "--simulated-root", "root.pem")  # fmt: skip
    assert done.code == 10
    assert reason in done.err
    assert done.out == ""


@pytest.mark.parametrize("form", ["hex", "base64", "pem"])
def test_pasted_evidence_is_read(confide, folder, form):
    import base64

    document = vector("tdx_v4_uptodate.quote.bin")
    text = document.hex() if form == "hex" else base64.b64encode(document).decode()
    if form == "pem":
        text = f"-----BEGIN QUOTE-----\n{text}\n-----END QUOTE-----\n"
    (folder / "quote.txt").write_text(text)
    shown = confide("tee", "inspect", "quote.txt")
    assert shown.code == 0
    assert shown.out == confide("tee", "inspect", FOLDER / "tdx_v4_uptodate.quote.bin").out


def test_what_is_no_evidence_is_one_line_of_one_reader(refused, folder):
    (folder / "a").write_bytes(vector("snp_milan_v2.report.bin")[:-1])
    assert refused("tee", "inspect", "a", code=10).startswith("the SEV-SNP report ends after 1,183")
    (folder / "b").write_text("hello " * 40)
    assert "neither a quote" in refused("tee", "inspect", "b", code=10)


def test_stray_files_are_skipped_with_a_word(confide, folder):
    (folder / "c").mkdir()
    for name in ("snp_milan_v2.vcek.der", "snp_milan_ask_ark_asvk.pem"):
        (folder / "c" / name).write_bytes(vector(name))
    (folder / "c" / "notes.txt").write_text("renew these")
    made = confide("tee", "inspect", FOLDER / "snp_milan_v2.report.bin", "--as-policy",
                   "--collateral", "c", "--at", SUMMER)  # fmt: skip
    assert made.code == 0
    assert made.err.startswith("skipped c/notes.txt: collateral that is neither")
    named = confide("tee", "inspect", FOLDER / "snp_milan_v2.report.bin", "--as-policy",
                    "--collateral", "c/notes.txt", "--at", SUMMER)  # fmt: skip
    assert named.code == 10, "a file that is named itself has to be collateral"
    (folder / "c" / "snp_milan_v2.vcek.der").unlink()
    missing = confide("tee", "inspect", FOLDER / "snp_milan_v2.report.bin", "--as-policy",
                      "--collateral", "c", "--at", SUMMER)  # fmt: skip
    assert missing.code == 10
    assert len(Collateral.read([folder / "c"]).skipped) == 1


def test_an_event_log_by_itself_is_replayed(confide, folder):
    from confide_sim import Event

    case = asked(Platform.TDX, events=[Event("compose-hash", b"c" * 32)])
    assert case.emitted.event_log is not None
    entries = json.loads(case.emitted.event_log)
    for entry in entries:  # as newer dstack writes it
        if entry["event_type"] == 0x08000001:
            entry["digest"] = ""
    (folder / "events.json").write_text(json.dumps(entries))
    (folder / "quote").write_bytes(case.emitted.evidence)
    (folder / "c").write_bytes(case.emitted.collateral[0])
    root = load_certificate(vendor("intel", 0).root)
    (folder / "root.pem").write_bytes(to_pem([root]))
    options = ("--collateral", "c", "--at", NOW.isoformat())
    made = confide("tee", "inspect", "quote", "--as-policy", *options, "--simulated-root",
                   "root.pem", "--event-log", "events.json")  # fmt: skip
    assert f'"event:compose-hash" = "{(b"c" * 32).hex()}"' in made.out, made.err
    (folder / "policy.toml").write_text(made.out)
    verify = ("tee", "verify", "quote", "--policy", "policy.toml", *options, "--report-data",
              case.report_data.hex())  # fmt: skip
    assert confide(*verify, "--event-log", "events.json").code == 0
    assert confide(*verify).code == 10, "without the log nothing says what the application is"
    entries[-1]["event_payload"] = "00"
    (folder / "events.json").write_text(json.dumps(entries))
    assert confide(*verify, "--event-log", "events.json").code == 10
