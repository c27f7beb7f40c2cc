# %% [markdown]
# # Trusted execution
#
# A server promises to run the agreed program, and to look at nothing. Trusted hardware turns the
# promise into a *quote*: a statement of what runs, signed by a key that the vendor vouches for. You
# will read a real quote, verify it, break it, and then add up numbers in an enclave whose hardware
# is simulated. The last part says what a simulation does not prove.

# %%
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from confide.errors import AttestationError
from confide.tee import Binding, Collateral, Evidence, Platform, Policy, Reference, inspect, verify

FOLDER = Path("tests/tee/vectors")
HERE = Path.cwd().resolve()
VECTORS = next(p / FOLDER for p in (HERE, *HERE.parents) if (p / FOLDER).is_dir())
QUOTE = (VECTORS / "tdx_v4_uptodate.quote.bin").read_bytes()
print(f"a quote of Intel TDX, {len(QUOTE):,} bytes")

# %% [markdown]
# The quote was made by real hardware and published (`tests/tee/vectors/MANIFEST.md` says where).
#
# ## 1. The attack: words that nobody verified
#
# `inspect` says what a quote states. Nothing of it is verified, and anybody can write it.

# %%
platform, said = inspect(QUOTE)
print(platform)
for name in ("mrtd", "rtmr1", "report_data"):
    print(f"{name:12} {said[name][:48]}…")

# %% [markdown]
# In a TDX quote of version 4 a header of 48 bytes comes first. In the body that follows, `mrtd`,
# the measurement of what the machine was started with, begins at byte 136 and has 48 bytes.
#
# **Exercise 1.** You run an evil server. Make a quote that states the measurement `GOOD`, although
# your machine runs something else.

# %%
GOOD = bytes(range(48))

# %% tags=["exercise"]
forged = QUOTE

# %% tags=["solution"]
forged = QUOTE[: 48 + 136] + GOOD + QUOTE[48 + 136 + 48 :]

# %% tags=["check"]
assert inspect(forged)[1]["mrtd"] == GOOD.hex()
assert len(forged) == len(QUOTE)

# %% [markdown]
# A client that reads measurements without verifying signatures is lost at this point.
#
# ## 2. Verify it
#
# Who verifies needs three things: a *policy* (what code, on which machines, how new), the vendor's
# *collateral* (statements that are signed, such as which microcode is up to date), and what the
# quote must *carry*, so that it answers this question and not an older one. The collateral here is
# of summer 2025, so we verify at that time.

# %%
collateral = Collateral.of([(VECTORS / "tdx_v4_uptodate.collateral.json").read_bytes()])
SUMMER = datetime(2025, 7, 3, tzinfo=UTC)
CARRIED = Binding(bytes.fromhex(said["report_data"]))
MEASURED = {name: bytes.fromhex(said[name]) for name in ("mrtd", "rtmr0", "rtmr1", "rtmr2")}


def policy_for(measured, **fields):
    """Accepts one program, on any of Intel's machines that are up to date."""
    reference = Reference(Platform.TDX, measured, None, "the agreed program")
    given = {"nodes": None, "max_collateral_age": timedelta(days=31), **fields}
    return Policy(references=(reference,), **given)


def check(quote, policy=None, carried=CARRIED, at=SUMMER):
    """The step that refuses a quote, and why; or None."""
    held = {}
    try:
        verify(
            Evidence(quote),
            policy or policy_for(MEASURED),
            carried,
            collateral=collateral,
            at=at,
            passed=held.__setitem__,
        )
    except AttestationError as error:
        return error.step.value, str(error)
    for step, found in held.items():
        print(f"holds: {step.value:12} {found}")
    return None


assert check(QUOTE) is None

# %% [markdown]
# In this lab the policy's measurements come from the quote itself. In real life they come from a
# build that you can repeat, and never from the peer that you are about to trust.
#
# ## 3. Break it
#
# The forged quote of exercise 1 first.

# %%
print(check(forged, policy_for({**MEASURED, "mrtd": GOOD})))

# %% [markdown]
# The signature does not fit any more. Is there *any* bit that can be changed? We flip one in every
# thirteenth byte and look which step notices.

# %%
places = range(0, len(QUOTE), 13)
noticed = []
for place in places:
    flipped = bytearray(QUOTE)
    flipped[place] ^= 1
    refused = check(bytes(flipped))
    assert refused is not None, place
    noticed.append(refused[0])

steps = sorted(set(noticed))
colours = dict(zip(steps, ("#2457a6", "#c2571a", "#1d7a4c", "#7b3fa0", "#8a5a00"), strict=False))
fig, axes = plt.subplots(figsize=(9, 2.4), layout="constrained")
for step in steps:
    at = [p for p, found in zip(places, noticed, strict=True) if found == step]
    axes.scatter(at, [step] * len(at), s=9, color=colours[step])
for start, name in ((0, "header, body"), (632, "signature and certificates")):
    axes.axvline(start, color="#9aa5b5", lw=1)
    axes.text(start + 30, len(steps) - 0.45, name, fontsize=9, color="#5b6675")
axes.set(xlabel="byte of the quote", ylim=(-0.5, len(steps) - 0.1))
axes.set_title("Which step refuses a quote with one bit changed", loc="left", pad=12)
plt.show()
print({step: noticed.count(step) for step in steps})

# %% [markdown]
# **Exercise 2.** A genuine quote is not enough either. The man in the middle holds no enclave. He
# passes on the quote of a real one, and gives you *his own* public key, hoping that you encrypt to
# it. You expect the quote to carry the hash of the key that you were given. Call `check` as you
# would: what must the quote carry, and which step refuses it?

# %%
import hashlib

HIS_KEY = bytes.fromhex("5e" * 32)

# %% tags=["exercise"]
expected = CARRIED
refused = check(QUOTE, carried=expected)

# %% tags=["solution"]
expected = Binding(hashlib.sha512(HIS_KEY).digest())
refused = check(QUOTE, carried=expected)

# %% tags=["check"]
assert refused is not None, "you accept a quote that says nothing about his key"
assert refused[0] == "report data"
print(refused[1])

# %% [markdown]
# **Exercise 3.** Three more attempts. Say for each which step refuses it: an *old* answer whose
# collateral has run out in the meantime, a program that is *another* one than agreed, and a quote
# that is fine on a machine that you did not list. Fill in the names of the steps: `"freshness"`,
# `"measurement"`, `"node"`.

# %%
attempts = {
    "a year later": check(QUOTE, at=SUMMER + timedelta(days=365)),
    "another program": check(QUOTE, policy_for({**MEASURED, "rtmr2": GOOD})),
    "another machine": check(QUOTE, policy_for(MEASURED, nodes=frozenset({"00" * 16}))),
}

# %% tags=["exercise"]
answers = {"a year later": "", "another program": "", "another machine": ""}

# %% tags=["solution"]
answers = {
    "a year later": "freshness",
    "another program": "measurement",
    "another machine": "node",
}

# %% tags=["check"]
for name, refused in attempts.items():
    assert answers[name] == refused[0], name
    print(f"{name}: {refused[1][:90]}")

# %% [markdown]
# ## 4. A sum in an enclave
#
# Now four shops add up their sales. Each verifies the enclave before it sends anything, and seals
# its numbers to the key that the verified evidence carries. The hardware is simulated: a root that
# is made here signs reports in AMD's format. The code that verifies them is the code that verified
# the quote above.

# %%
from confide_sim import AmdVendor

import confide as cf
from confide.tee import Roots
from confide.tee.certificates import load_certificate
from confide.tee.relying import RelyingParty
from confide.tee.workload import Quoted

BUILD = hashlib.sha256(b"the manifest of a build").digest()
MEASUREMENT = hashlib.sha384(b"what hardware measures of it").digest()
SALES = {"alder": [3, 4], "birch": [5], "cedar": [1, 1, 2], "dogwood": [9]}


class SimulatedSnp:
    """A machine whose reports a simulator signs."""

    def __init__(self, vendor, measurement=MEASUREMENT):
        self.vendor, self.measurement = vendor, measurement

    def attest(self, report_data, nonce, public_key):
        now = datetime.now(UTC)
        emitted = self.vendor.attest(report_data, at=now, measurement=self.measurement)
        return Quoted(emitted.evidence, collateral=emitted.collateral)


vendor = AmdVendor()
levels = {"Milan": {"bootloader": 4, "tee": 0, "snp": 20, "microcode": 200}}
reference = Reference(Platform.SNP, {"measurement": MEASUREMENT}, BUILD, "our build")
policy = Policy(
    references=(reference,),
    nodes=None,
    minimum_levels=levels,
    allow_simulated=True,
    roots=Roots({Platform.SNP: load_certificate(vendor.root)}),
)

total = cf.Sum(name="total", unit=cf.Unit.PARTY, unit_bound=100, capacity=1)
sales = cf.Computation(
    task=cf.Task.of("sales"),
    sums=cf.SumGroup((total,)),
    columns=("sold",),
    init=dict,
    contribute=lambda state, data, rng: {"total": np.array(data["sold"].sum())},
    update=lambda state, totals: {"total": totals["total"]},
)
plan = sales.plan(
    parties=list(SALES),
    dropouts=0,
    aggregation=cf.Enclave(policy=policy.hash, simulated=True),
    threat=cf.Threat(hardware=cf.Hardware.ASSUMED_SOUND),
)
data = {name: {"sold": np.array(sold)} for name, sold in SALES.items()}
host = cf.EnclaveHost(SimulatedSnp(vendor), BUILD, RelyingParty(policy))
run = cf.simulate(plan, data, computation=sales, enclave=host)
print("total:", run.state["total"])
print(*cf.views(plan).warnings, sep="\n")

# %% [markdown]
# **Exercise 4.** The host starts another program in the same hardware. Its measurement differs.
# Show that the shops refuse it: catch the error of the run, and name the step at which the first
# shop stopped.

# %%
altered = SimulatedSnp(vendor, hashlib.sha384(b"with a back door").digest())
evil_host = cf.EnclaveHost(altered, BUILD, RelyingParty(policy))

# %% tags=["exercise"]
stopped_at = None

# %% tags=["solution"]
stopped_at = None
try:
    cf.simulate(plan, data, computation=sales, enclave=evil_host)
except AttestationError as error:
    stopped_at = error.step.value
    print(error)

# %% tags=["check"]
assert stopped_at == "measurement"

# %% [markdown]
# ## 5. What a simulation does not prove
#
# Everything above is real but one thing: the root. Anybody can make such a root, so evidence of a
# simulator protects nobody, and a policy has to accept it aloud (`allow_simulated`). A policy for
# real hardware refuses the same evidence:

# %%
real = Policy(references=(reference,), nodes=None, minimum_levels=levels)
report = SimulatedSnp(vendor).attest(bytes(64), b"", b"")
given, now = Collateral.of(report.collateral), datetime.now(UTC)
try:
    verify(Evidence(report.document), real, Binding(bytes(64)), collateral=given, at=now)
    raise AssertionError("a policy for real hardware accepts a simulator")
except AttestationError as error:
    print(f"refused at {error.step.value!r}: {error}")

# %% [markdown]
# What neither the simulation nor a real quote proves:
#
# - that the hardware keeps its secrets: machines that were opened, or whose keys were stolen, have
#   perfect quotes (WireTap, Battering RAM, TEE.fail; `SECURITY.md`). That is why a policy lists
#   machines;
# - that the program is a good one: the measurement says *which* program, and the parties have to
#   read it or trust who built it;
# - that sums tell nothing: the enclave releases the same exact sum as every other protection, and
#   only noise bounds what it says about a record.
