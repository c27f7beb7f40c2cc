"""A PostgreSQL server of our own, from Debian's package, on a socket in a temporary folder."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

_AS_POSTGRES = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]


def _binaries():
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if found:
        return found[-1].parent
    if os.environ.get("CI"):
        pytest.fail("PostgreSQL is not installed; CI must have it: apt-get install postgresql")
    return pytest.skip("PostgreSQL is not installed (Debian: postgresql)")


@pytest.fixture(scope="session")
def postgresql_server():
    """The folder of a running server's socket."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="confide-pg-", dir="/tmp"))
    run_as = _AS_POSTGRES if os.geteuid() == 0 else []
    if run_as:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    subprocess.run(
        [*run_as, binaries / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "--no-sync"],
        check=True,
        capture_output=True,
        cwd=folder,
    )
    log = (folder.parent / f"{folder.name}.log").open("wb")
    server = subprocess.Popen(
        [*run_as, binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="],
        stdout=log,
        stderr=log,
        cwd=folder,
    )
    try:
        _wait_for(folder)
        yield folder
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
        log.close()
        shutil.rmtree(folder)
        Path(log.name).unlink()


def _wait_for(folder):
    for _ in range(200):
        try:
            psycopg.connect(f"host={folder} user=postgres dbname=postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("PostgreSQL did not start")


@pytest.fixture
def postgresql(postgresql_server, request):
    """The URL of an empty database."""
    name = f"ledger_{abs(hash(request.node.nodeid)) % 10**12}"
    admin = f"host={postgresql_server} user=postgres dbname=postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    yield f"postgresql://postgres@/{name}?host={postgresql_server}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """Where a ledger may lie: each kind of database once."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    return request.getfixturevalue("postgresql")
