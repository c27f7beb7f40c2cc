"""Simulated vendors, made once: a root of RSA takes a third of a second."""

from datetime import UTC, datetime

import pytest
from confide_sim import AmdVendor, AwsVendor, IntelVendor


@pytest.fixture(scope="session")
def at():
    return datetime(2026, 1, 15, 12, 30, 15, 250_000, tzinfo=UTC)


@pytest.fixture(scope="session")
def amd():
    return AmdVendor()


@pytest.fixture(scope="session")
def other_amd():
    return AmdVendor()


@pytest.fixture(scope="session")
def intel():
    return IntelVendor()


@pytest.fixture(scope="session")
def aws():
    return AwsVendor()
