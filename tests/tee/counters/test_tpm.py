"""A counter in a TPM, held against a real one in software and against a host that lies."""

import os
import shutil
import socket
import subprocess
import threading
import time
import tty
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from confide.errors import PlanError, ProtocolError, VerificationError
from confide.tee.counters import TpmCounter
from confide.tee.counters.tpm import tpm_device, tpm_socket
from confide.tee.sealing import SealedState, Sealer

KEY_HANDLE, INDEX = 0x81000001, 0x01800001

pytestmark = pytest.mark.skipif(
    not (shutil.which("swtpm") and shutil.which("tpm2_nvdefine")),
    reason="no TPM in software here (Debian: swtpm, tpm2-tools)",
)


def free_ports() -> int:
    """A port that is free, and the next one too."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            try:
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port


class Tpm:
    """A TPM in software, enrolled as an operator would, with the usual tools."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_ports()
        self.process = subprocess.Popen(
            [
                "swtpm", "socket", "--tpm2", "--tpmstate", f"dir={folder}",
                "--server", f"type=tcp,port={self.port},bindaddr=127.0.0.1",
                "--ctrl", f"type=tcp,port={self.port + 1},bindaddr=127.0.0.1",
                "--flags", "not-need-init,startup-clear",
            ]
        )  # fmt: skip
        for _ in range(100):
            try:
                socket.create_connection(("127.0.0.1", self.port + 1), timeout=1).close()
                return
            except OSError:
                time.sleep(0.05)

    def tool(self, *command: object) -> str:
        environment = {**os.environ, "TPM2TOOLS_TCTI": f"swtpm:host=127.0.0.1,port={self.port}"}
        words = [str(word) for word in command]
        ran = subprocess.run(
            words, cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, f"{words}: {ran.stdout}{ran.stderr}"
        return ran.stdout

    def make_key(self, handle: int = KEY_HANDLE) -> ec.EllipticCurvePublicKey:
        self.tool("tpm2_createprimary", "-C", "o", "-G", "ecc256", "-c", "key.ctx")
        self.tool("tpm2_evictcontrol", "-C", "o", "-c", "key.ctx", hex(handle))
        self.tool("tpm2_readpublic", "-c", hex(handle), "-f", "pem", "-o", "key.pem")
        self.tool("tpm2_flushcontext", "-t")
        key = load_pem_public_key((self.folder / "key.pem").read_bytes())
        assert isinstance(key, ec.EllipticCurvePublicKey)
        return key

    def make_counter(self, attributes: str = "authread|authwrite|no_da|nt=counter") -> int:
        self.tool("tpm2_nvdefine", hex(INDEX), "-C", "o", "-s", 8, "-a", attributes)
        self.tool("tpm2_nvincrement", hex(INDEX), "-C", hex(INDEX))
        return self.value()

    def value(self) -> int:
        self.tool("tpm2_nvread", hex(INDEX), "-C", hex(INDEX), "-o", "value")
        return int.from_bytes((self.folder / "value").read_bytes(), "big")

    def counter(self, key, base, connect=None) -> TpmCounter:
        connect = connect or tpm_socket("127.0.0.1", self.port)
        return TpmCounter(connect, key, KEY_HANDLE, INDEX, base)


def started(folder: Path) -> Tpm:
    folder.mkdir()
    return Tpm(folder)


@pytest.fixture
def tpm(tmp_path):
    found = started(tmp_path / "tpm")
    yield found
    found.process.kill()
    found.process.wait()


@pytest.fixture
def key(tpm):
    return tpm.make_key()


@pytest.fixture
def base(tpm, key):
    return tpm.make_counter()


@pytest.fixture
def counter(tpm, key, base):
    return tpm.counter(key, base)


def between(tpm, tamper):
    """A host between the enclave and its TPM."""

    @contextmanager
    def connect():
        with tpm_socket("127.0.0.1", tpm.port)() as transmit:
            yield lambda command: tamper(command, transmit)

    return connect


def code_of(command: bytes) -> int:
    return int.from_bytes(command[6:10], "big")


INCREMENT, READ = 0x134, 0x14E


def test_counts_as_the_usual_tools_do(tpm, counter, base):
    assert counter.read() == 0
    counter.advance(1)
    counter.advance(2)
    assert counter.read() == 2
    assert tpm.value() == base + 2


def test_a_counter_that_is_deleted_and_made_again_only_grows(tpm, counter):
    counter.advance(1)
    counter.advance(2)
    tpm.tool("tpm2_nvundefine", hex(INDEX), "-C", "o")
    with pytest.raises(ProtocolError, match="the TPM refuses"):
        counter.read()
    tpm.make_counter()
    assert counter.read() > 2


def test_an_instance_that_another_one_overtook_finds_out(tpm, counter, key, base):
    twin = tpm.counter(key, base)
    counter.advance(1)
    with pytest.raises(VerificationError, match="goes to 2 where 1 was asked for"):
        twin.advance(1)


def test_a_raise_that_the_host_keeps_back_is_found(tpm, key, base, counter):
    """Two enclaves, one raise: without proof of their own both would believe it theirs."""
    kept: dict[str, bytes] = {}

    def tamper(command, transmit):
        if code_of(command) == INCREMENT:
            return kept["answer"]
        return transmit(command)

    def record(command, transmit):
        answer = transmit(command)
        if code_of(command) == INCREMENT:
            kept["answer"] = answer
        return answer

    tpm.counter(key, base, between(tpm, record)).advance(1)
    with pytest.raises(VerificationError, match="not from the TPM that this enclave knows"):
        tpm.counter(key, base, between(tpm, tamper)).advance(2)
    assert counter.read() == 1


def test_an_older_answer_is_found(tpm, key, base):
    answers = []

    def tamper(command, transmit):
        answer = transmit(command)
        if code_of(command) == READ:
            answers.append(answer)
            return answers[0]
        return answer

    counter = tpm.counter(key, base, between(tpm, tamper))
    assert counter.read() == 0
    with pytest.raises(VerificationError, match="not from the TPM"):
        counter.read()


@pytest.mark.parametrize("place", [12, 20, 24, 40, -1, -20])
def test_an_answer_with_one_bit_changed_is_found(tpm, key, base, place):
    def tamper(command, transmit):
        answer = bytearray(transmit(command))
        if code_of(command) == READ:
            answer[place] ^= 1
        return bytes(answer)

    with pytest.raises(ProtocolError):
        tpm.counter(key, base, between(tpm, tamper)).read()


def test_another_tpm_is_found(tpm, key, base, tmp_path):
    """A host that runs a TPM of its own can set it back; it has not the key."""
    own = started(tmp_path / "own")
    try:
        own.make_key()
        own.make_counter()
        with pytest.raises(ProtocolError):
            tpm.counter(key, base, tpm_socket("127.0.0.1", own.port)).read()
    finally:
        own.process.kill()
        own.process.wait()


def test_another_thing_under_the_same_index_is_refused_by_the_tpm_itself(tpm, key):
    tpm.make_counter("authread|authwrite|ownerwrite|ownerread|no_da|nt=counter")
    with pytest.raises(ProtocolError, match="the TPM refuses command 0x14e"):
        tpm.counter(key, 0).read()


def test_a_tpm_that_was_cleared_is_another_one(tpm, counter):
    counter.advance(1)
    tpm.tool("tpm2_clear", "-c", "p")
    with pytest.raises(ProtocolError, match="the TPM refuses"):
        counter.read()
    tpm.make_key()
    tpm.make_counter()
    with pytest.raises(ProtocolError):
        counter.read()


def test_a_counter_below_where_it_was_enrolled_is_another_one(tpm, key, base):
    with pytest.raises(VerificationError, match="stands 5 below where it was enrolled"):
        tpm.counter(key, base + 5).read()


def test_sealed_state_that_was_set_back_is_refused(counter, tmp_path):
    state = SealedState(tmp_path / "state", Sealer(bytes(32), "tests"), counter, b"a plan")
    state.begin()
    state.save(b"one")
    older = state.path.read_bytes()
    state.save(b"two")
    assert state.load() == b"two"
    state.path.write_bytes(older)
    with pytest.raises(VerificationError, match="somebody set it back"):
        state.load()


def test_many_sessions_leave_nothing_behind_in_the_tpm(counter):
    for value in range(1, 12):
        counter.advance(value)
        assert counter.read() == value


def test_the_kernels_device_is_read_and_written_as_the_kernel_does(tpm, key, base):
    """A terminal in raw mode stands for /dev/tpmrm0: one write, one read, by file descriptor."""
    ours, theirs = os.openpty()
    tty.setraw(theirs)

    def serve():
        with tpm_socket("127.0.0.1", tpm.port)() as transmit:
            for _ in range(2):
                os.write(ours, transmit(os.read(ours, 4096)))

    thread = threading.Thread(target=serve)
    thread.start()
    counter = tpm.counter(key, base, tpm_device(Path(os.ttyname(theirs))))
    assert counter.read() == 0
    thread.join()
    os.close(ours)
    os.close(theirs)


def test_no_tpm_is_one_clear_error(key, tpm):
    with pytest.raises(ProtocolError, match="the TPM does not answer"):
        tpm.counter(key, 0, tpm_device(Path("/nonexistent/tpm"))).read()


@pytest.mark.parametrize("answer", [b"", b"\x80\x01", bytes(10), b"\x80\x01\0\0\0\x0b" + bytes(4)])
def test_what_is_no_answer_of_a_tpm_is_refused(tpm, key, answer):
    with pytest.raises(ProtocolError, match="no answer"):
        tpm.counter(key, 0, between(tpm, lambda command, transmit: answer)).read()


def test_a_connection_that_ends_within_an_answer_is_refused():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            stream, _ = server.accept()
            with stream:
                stream.recv(4096)
                stream.sendall(b"\x80\x01\0\0")

        thread = threading.Thread(target=serve)
        thread.start()
        connect = tpm_socket("127.0.0.1", server.getsockname()[1])
        with connect() as transmit, pytest.raises(OSError, match="ended within an answer"):
            transmit(b"a command")
        thread.join()


def test_keys_and_places_that_are_none(tpm, key):
    other = ec.generate_private_key(ec.SECP384R1()).public_key()
    with pytest.raises(PlanError, match="use one on P-256"):
        tpm.counter(other, 0)
    with pytest.raises(PlanError, match="indices are 0x1000000 to 0x1ffffff"):
        TpmCounter(tpm_socket("127.0.0.1", tpm.port), key, KEY_HANDLE, KEY_HANDLE, 0)
