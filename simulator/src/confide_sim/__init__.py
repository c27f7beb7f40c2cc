"""Attestation hardware, simulated: AMD SEV-SNP, Intel SGX and TDX, and AWS Nitro Enclaves.

    vendor = AmdVendor()
    emitted = vendor.attest(report_data, at=now)

Evidence has the vendors' real layouts, so production verifiers run on it unchanged, and refuse it
unless they are given `vendor.root`. It protects nothing: anyone with the vendor object has the keys
of all its machines.
"""

from confide_sim.amd import AmdFault, AmdVendor
from confide_sim.aws import AwsFault, AwsVendor
from confide_sim.emitted import Emitted
from confide_sim.events import Event
from confide_sim.intel import IntelVendor
from confide_sim.intel_statements import Circumstances, IntelFault, TcbStatus
from confide_sim.machine import Machine
from confide_sim.quote import SgxAttributes, TdAttributes
from confide_sim.snp_report import GuestPolicy, Product, Tcb

__all__ = [
    "AmdFault",
    "AmdVendor",
    "AwsFault",
    "AwsVendor",
    "Circumstances",
    "Emitted",
    "Event",
    "GuestPolicy",
    "IntelFault",
    "IntelVendor",
    "Machine",
    "Product",
    "SgxAttributes",
    "Tcb",
    "TcbStatus",
    "TdAttributes",
]
