"""Processes that use one ledger, started by tests as a script.

It imports once and forks, so that a child starts in milliseconds. Lines on its input:

    crash WHERE      a child that charges until it is killed or the cap is reached
    contend WHERE N  N children that want the last run at the same moment
    rounds WHERE     a child that takes part in rounds and helps to open them until it is killed
    claim WHERE N    N children that want the same attempt and, whoever has it, to consent
    begin WHERE N    N children that make the ledger at the same moment
    wait PID         until a child is dead
"""

import os
import sys
import time

from tests.privacy.ledger.ledger_support import NAMES, Pure, opened, with_cap

from confide.errors import PrivacyBudgetError, ProtocolError

PLAN_HASH = b"p" * 32


def say(*words):
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def charge_until_killed(where):
    ledger = with_cap(where)
    say("opened")
    for i in range(1000):
        try:
            reservation = ledger.reserve("loans", Pure("0.08"), observers=NAMES, count=2)
        except PrivacyBudgetError:
            say("refused")
            time.sleep(0.001)
            continue
        name = reservation.identity.hex()
        say("reserved", name)
        reservation.use()
        say("used", name)
        digest = bytes([i % 256]) * 32
        say("committing", name, digest.hex())
        reservation.commit(digest)
        say("committed", name, digest.hex())


def open_rounds_until_killed(where):
    """Odd rounds without one party: what was consented to is told by its size."""
    ledger = opened(where)
    known = ledger.rounds().get(PLAN_HASH)
    for number in range(known.latest[0] if known else 0, 1000):
        try:
            ledger.claim(PLAN_HASH, number, 0)
        except ProtocolError:
            say("passed", number)
            continue
        say("claimed", number)
        parties = 5 - number % 2
        crowd = frozenset(f"{party:064x}" for party in range(parties))
        survivors = bytes([2**parties - 1])
        say("consenting", number, survivors.hex())
        ledger.consent(
            PLAN_HASH, number, 0, survivors=survivors, crowd=crowd, exact=True, datasets=["loans"]
        )
        say("consented", number, survivors.hex())


def want_the_round(where, ready, go):
    ledger = opened(where, timeout=60)
    os.write(ready, b"r")
    os.read(go, 1)
    nobody: frozenset[str] = frozenset()
    for step in ("claim", "consent"):
        try:
            if step == "claim":
                ledger.claim(PLAN_HASH, 0, 0)
            else:
                ledger.consent(PLAN_HASH, 0, 0, survivors=b"", crowd=nobody, exact=False)
        except ProtocolError as error:
            say("refused", step, error)
        else:
            say("won", step)


def want_the_last(where, ready, go):
    ledger = opened(where, timeout=60)
    os.write(ready, b"r")
    os.read(go, 1)
    charge(ledger)


def begin(where, ready, go):
    os.write(ready, b"r")
    os.read(go, 1)
    charge(with_cap(where, timeout=60))


def charge(ledger):
    try:
        ledger.reserve("loans", Pure("0.25"), observers=NAMES).commit()
    except PrivacyBudgetError as error:
        say("refused", error)
    else:
        say("won")


def fork(task, *arguments):
    child = os.fork()
    if child:
        return child
    try:
        task(*arguments)
    except BaseException as error:  # noqa: BLE001 - the parent judges
        say("failed", type(error).__name__, error)
    finally:
        os._exit(0)


def contend(task, where, count):
    ready, go = os.pipe(), os.pipe()
    children = [fork(task, where, ready[1], go[0]) for _ in range(count)]
    for _ in children:
        os.read(ready[0], 1)
    os.write(go[1], b"g" * count)
    for child in children:
        os.waitpid(child, 0)
    say("done")


def main():
    for line in sys.stdin:
        match line.split():
            case ["crash", where]:
                say("started", fork(charge_until_killed, where))
            case ["contend", where, count]:
                contend(want_the_last, where, int(count))
            case ["rounds", where]:
                say("started", fork(open_rounds_until_killed, where))
            case ["claim", where, count]:
                contend(want_the_round, where, int(count))
            case ["begin", where, count]:
                contend(begin, where, int(count))
            case ["wait", child]:
                os.waitpid(int(child), 0)
                say("dead")
            case other:
                say("failed", *other)


if __name__ == "__main__":
    main()
