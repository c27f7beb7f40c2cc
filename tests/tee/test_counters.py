"""Counters on a disk and among parties: they only grow, whoever lies in between."""

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from confide import canonical
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.tee.counters import CounterPeer, FileCounter, QuorumCounter

NAME = b"an enclave"


def key(number):
    return Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)


def public(number):
    return key(number).public_key().public_bytes_raw()


def peers_in(folder, count=4):
    """Parties that keep a counter each, on disks of their own."""
    return [
        CounterPeer(FileCounter(folder / f"{number}.db", NAME), key(number), NAME)
        for number in range(count)
    ]


def quorum_of(peers, faulty=1, **asks):
    """The counter that they keep together; `p1=…` has somebody else answer for the second."""
    replaced = {int(name[1:]): ask for name, ask in asks.items()}
    return QuorumCounter(
        NAME,
        {public(n): replaced.get(n, peer.answer) for n, peer in enumerate(peers)},
        faulty,
    )


def unreachable(_):
    raise OSError("connection refused")


class CounterConformance:
    """What every counter keeps to."""

    @pytest.fixture
    def counter(self, tmp_path):
        raise NotImplementedError

    def test_begins_at_nothing(self, counter):
        assert counter.read() == 0
        assert counter.read() == 0

    def test_stands_where_it_was_raised_to(self, counter):
        for value in (1, 2, 7, 1 << 53):
            counter.advance(value)
            assert counter.read() == value

    @pytest.mark.parametrize("to", [5, 4, 1])
    def test_is_not_raised_to_where_it_stands_or_below(self, counter, to):
        counter.advance(5)
        with pytest.raises(VerificationError, match="another instance"):
            counter.advance(to)
        assert counter.read() == 5

    @pytest.mark.parametrize("to", [0, -1, (1 << 53) + 1])
    def test_is_not_raised_to_what_is_no_value(self, counter, to):
        with pytest.raises(ProtocolError, match=r"above 0 and at most 2\^53"):
            counter.advance(to)
        assert counter.read() == 0


class TestFile(CounterConformance):
    @pytest.fixture
    def counter(self, tmp_path):
        return FileCounter(tmp_path / "counter.db", NAME)

    def test_outlives_its_process(self, counter):
        counter.advance(3)
        assert FileCounter(counter.path, NAME).read() == 3

    def test_shares_its_file_with_others(self, counter):
        other = replace(counter, name=b"another")
        counter.advance(3)
        other.advance(9)
        assert (counter.read(), other.read()) == (3, 9)

    def test_is_raised_by_one_of_many_at_once(self, counter):
        """Two that both believed to be alone with a value would write two states of it."""

        def raise_it(_):
            try:
                FileCounter(counter.path, NAME).advance(1)
            except VerificationError:
                return 0
            return 1

        counter.read()
        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(raise_it, range(24))) == 1
        assert counter.read() == 1

    def test_says_where_it_cannot_be_kept(self, tmp_path):
        nowhere = FileCounter(tmp_path / "none" / "counter.db", NAME)
        with pytest.raises(ProtocolError, match=r"cannot read the counter in .*counter\.db"):
            nowhere.read()
        with pytest.raises(ProtocolError, match=r"cannot raise the counter in .*counter\.db"):
            nowhere.advance(1)

    def test_that_is_damaged_counts_for_nothing(self, counter):
        counter.advance(3)
        counter.path.write_bytes(b"no database at all" * 100)
        with pytest.raises(ProtocolError, match="cannot read the counter"):
            counter.read()
        with pytest.raises(ProtocolError, match="cannot raise the counter"):
            counter.advance(4)

    def test_is_on_the_disk_before_it_is_said_to_be(self, counter):
        """SQLite's strictest: the journal's folder is written through, too."""
        with counter._connect() as connection:
            assert connection.execute("PRAGMA synchronous").fetchone() == (3,)
            assert connection.execute("PRAGMA fullfsync").fetchone() == (1,)
        connection.close()

    def test_keeps_no_value_of_another_type(self, counter):
        counter.advance(3)
        with sqlite3.connect(counter.path) as connection, pytest.raises(sqlite3.IntegrityError):
            connection.execute("UPDATE counters SET value = 'x'")
        connection.close()


class TestQuorum(CounterConformance):
    @pytest.fixture
    def counter(self, tmp_path):
        return quorum_of(peers_in(tmp_path))

    @pytest.fixture
    def peers(self, tmp_path):
        return peers_in(tmp_path)

    @pytest.mark.parametrize(
        ("peers", "faulty", "quorum"),
        [(1, 0, 1), (2, 0, 2), (3, 0, 2), (4, 1, 3), (5, 1, 4), (7, 2, 5), (10, 3, 7)],
    )
    def test_needs_more_than_half_of_those_who_do_not_lie(self, peers, faulty, quorum):
        counter = QuorumCounter(NAME, {public(n): unreachable for n in range(peers)}, faulty)
        assert counter.quorum == quorum
        # Two quorums share more peers than may lie, and the others suffice for one.
        assert 2 * quorum - peers > faulty
        assert quorum <= peers - faulty

    @pytest.mark.parametrize(("peers", "faulty"), [(0, 0), (1, 1), (2, 1), (3, 1), (6, 2), (4, -1)])
    def test_is_not_made_of_too_few(self, peers, faulty):
        with pytest.raises(PlanError, match=f"{peers} counters of which {faulty} may lie"):
            QuorumCounter(NAME, {public(n): unreachable for n in range(peers)}, faulty)

    def test_goes_on_without_one(self, peers):
        counter = quorum_of(peers, p0=unreachable)
        counter.advance(1)
        assert counter.read() == 1
        assert quorum_of(peers, p3=unreachable).read() == 1

    def test_stops_without_two(self, peers):
        counter = quorum_of(peers, p0=unreachable, p1=unreachable)
        for act in (counter.read, lambda: counter.advance(1)):
            with pytest.raises(
                ProtocolError, match="2 of 4 peers answer for the counter; 3 are needed: connection"
            ) as raised:
                act()
            assert not isinstance(raised.value, VerificationError)

    def test_is_not_set_back_by_one_who_was(self, peers, tmp_path):
        """Any quorum has an honest peer in it that saw the last value."""
        counter = quorum_of(peers, p0=unreachable)
        counter.advance(1)
        counter.advance(2)
        forgot = replace(peers[1], counter=FileCounter(tmp_path / "new.db", NAME))
        assert quorum_of(peers, p1=forgot.answer, p3=unreachable).read() == 2

    def test_is_set_back_by_two_where_one_may_lie(self, peers, tmp_path):
        """The bound is tight: with more liars than it bears, it does not hold."""
        quorum_of(peers, p3=unreachable).advance(2)
        forgot = [
            replace(peers[n], counter=FileCounter(tmp_path / f"new {n}.db", NAME)).answer
            for n in range(2)
        ]
        assert quorum_of(peers, p0=forgot[0], p1=forgot[1], p2=unreachable).read() == 0

    def test_is_stopped_and_not_set_back_by_one_who_claims_more(self, peers):
        peers[0].counter.advance(9)
        counter = quorum_of(peers)
        assert counter.read() == 9
        with pytest.raises(VerificationError, match="another instance"):
            quorum_of(peers, p1=unreachable).advance(1)

    def test_of_two_instances_at_once_goes_to_one(self, peers):
        first, second = quorum_of(peers), quorum_of(peers)
        assert first.read() == second.read() == 0
        first.advance(1)
        with pytest.raises(VerificationError, match="another instance"):
            second.advance(1)

    def test_finds_a_peer_that_answers_with_another_value(self, peers):
        """An honest peer answers with what it was just raised to."""

        def lying(request):
            verb, name, nonce, to = canonical.decode(request, 1000)
            said = canonical.encode([verb, name, nonce, to, to + 1])
            return canonical.encode([to + 1, key(1).sign(b"confide counter 1\0" + said)])

        with pytest.raises(VerificationError, match="peers are at 6 where 5 was requested"):
            quorum_of(peers, p1=lying).advance(5)

    def test_of_two_instances_only_one_is_told_that_a_value_is_its_own(self, peers):
        """The host rewrites one's question, and has the other's served before it is answered."""
        peer = peers[0]

        class Overtaken(FileCounter):
            def advance(self, to):
                super().advance(to)
                if to == 5:
                    super().advance(6)

        slow = replace(peer, counter=Overtaken(peer.counter.path, NAME))

        def rewritten(request):
            verb, name, nonce, to = canonical.decode(request, 1000)
            return slow.answer(canonical.encode([verb, name, nonce, to - (verb == "advance")]))

        with pytest.raises(VerificationError, match="did not sign what is said"):
            QuorumCounter(NAME, {key(0).public_key().public_bytes_raw(): rewritten}, 0).advance(6)


@pytest.mark.parametrize(
    "made",
    [lambda folder: FileCounter(folder / "db", NAME), lambda folder: quorum_of(peers_in(folder))],
    ids=["file", "quorum"],
)
@given(values=st.lists(st.integers(1, 30), max_size=8))
def test_no_order_of_values_sets_one_back(made, tmp_path_factory, values):
    counter = made(tmp_path_factory.mktemp("counters"))
    largest = 0
    for value in values:
        if value > largest:
            counter.advance(value)
            largest = value
        else:
            with pytest.raises(VerificationError):
                counter.advance(value)
        assert counter.read() == largest


class TestLies:
    """One peer's answers, altered by the network that carries them: they do not count."""

    @pytest.fixture
    def peers(self, tmp_path):
        found = peers_in(tmp_path)
        quorum_of(found).advance(3)
        return found

    def does_not_count(self, peers, lie, reason):
        """Without the liar's the three others suffice; with one of them away, nothing does."""
        assert quorum_of(peers, p0=lie).read() == 3
        with pytest.raises(ProtocolError, match=reason):
            quorum_of(peers, p0=lie, p1=unreachable).read()

    def test_another_value(self, peers):
        def lie(request):
            value, signature = canonical.decode(peers[0].answer(request), 1000)
            return canonical.encode([value - 1, signature])

        self.does_not_count(peers, lie, "did not sign what is said of its counter")

    def test_an_answer_to_an_older_question(self, peers):
        answers = []

        def lie(request):
            answers.append(peers[0].answer(request))
            return answers[0]

        quorum_of(peers, p0=lie).read()
        self.does_not_count(peers, lie, "did not sign")

    def test_an_answer_of_another_peer(self, peers):
        self.does_not_count(peers, peers[1].answer, "did not sign")

    def test_an_answer_to_another_verb(self, peers):
        def lie(request):
            _, *rest = canonical.decode(request, 1000)
            return peers[0].answer(canonical.encode(["read", *rest]))

        with pytest.raises(VerificationError, match="did not sign"):
            quorum_of(peers, p0=lie, p1=unreachable).advance(4)

    def test_an_answer_for_another_counter(self, peers, tmp_path):
        other = CounterPeer(FileCounter(tmp_path / "other.db", b"other"), key(0), b"other")

        def lie(request):
            verb, _, nonce, to = canonical.decode(request, 1000)
            return other.answer(canonical.encode([verb, b"other", nonce, to]))

        self.does_not_count(peers, lie, "did not sign")

    @pytest.mark.parametrize(
        ("reply", "reason"),
        [
            (b"", "not deterministic CBOR"),
            (b"\xa0", "not a valid answer of a peer for the counter"),
            (canonical.encode([3]), "not a valid answer of a peer for the counter"),
            (canonical.encode([True, bytes(64)]), "not a valid answer of a peer for the counter"),
            (canonical.encode(["3", bytes(64)]), "not a valid answer of a peer for the counter"),
            (canonical.encode([3, bytes(64), 0]), "not deterministic CBOR|not a valid answer"),
            (canonical.encode([3, bytes(63)]), "did not sign"),
            (canonical.encode([3, bytes(64)]), "did not sign"),
            (canonical.encode([-1, bytes(64)]), "did not sign"),
            (canonical.encode([3, bytes(2000)]), "at most 1,024 fit here"),
        ],
        ids=lambda value: str(value)[:20],
    )
    def test_something_else(self, peers, reply, reason):
        self.does_not_count(peers, lambda _: reply, reason)


class TestPeer:
    @pytest.fixture
    def peer(self, tmp_path):
        return peers_in(tmp_path, 1)[0]

    @pytest.mark.parametrize(
        "request_",
        [
            b"",
            canonical.encode("read"),
            canonical.encode(["read", NAME, bytes(32)]),
            canonical.encode(["read", NAME, bytes(32), "0"]),
            canonical.encode(["read", NAME, bytes(32), False]),
            canonical.encode(["read", "name", bytes(32), 0]),
            canonical.encode([b"read", NAME, bytes(32), 0]),
            canonical.encode(["read", NAME, bytes(31), 0]),
            canonical.encode(["read", NAME, b"", 0]),
            canonical.encode(["read", b"another", bytes(32), 0]),
            canonical.encode(["set", NAME, bytes(32), 1]),
            canonical.encode(["", NAME, bytes(32), 1]),
            canonical.encode(["advance", NAME, bytes(32), 0]),
            canonical.encode(["advance", NAME, bytes(32), -5]),
            canonical.encode(["read", NAME, bytes(2000), 0]),
        ],
        ids=lambda value: repr(value)[:40],
    )
    def test_signs_no_answer_to_what_is_no_question(self, peer, request_):
        with pytest.raises(ProtocolError):
            peer.answer(request_)
        assert peer.counter.read() == 0

    def test_signs_nothing_when_it_does_not_raise(self, peer):
        peer.counter.advance(5)
        for to in (5, 4):
            with pytest.raises(VerificationError, match=f"is at {to} or above already"):
                peer.answer(canonical.encode(["advance", NAME, bytes(32), to]))

    def test_does_not_raise_when_it_reads(self, peer):
        peer.answer(canonical.encode(["read", NAME, bytes(32), 7]))
        assert peer.counter.read() == 0

    def test_signs_verb_name_nonce_and_value(self, peer):
        """What other implementations must verify."""
        peer.counter.advance(2)
        nonce = b"n" * 32
        value, signature = canonical.decode(
            peer.answer(canonical.encode(["advance", NAME, nonce, 3])), 1000
        )
        assert value == 3
        covered = canonical.encode(["advance", NAME, nonce, 3, 3])
        key(0).public_key().verify(signature, b"confide counter 1\0" + covered)

    def test_shows_no_key(self, peer):
        assert "PrivateKey" not in repr(peer)
        assert (bytes([0]) * 32).hex() not in repr(peer)
