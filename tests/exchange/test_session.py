"""The session of an exchange under attack, with contents that need no encryption."""

from dataclasses import replace
from typing import Any

import pytest
from tests.plan.examples import make_sum

from confide import canonical
from confide.aggregation import Identity, Round
from confide.errors import PlanError, ProtocolError, VerificationError
from confide.exchange import ExchangeSession
from confide.plan import (
    Code,
    Exchange,
    Message,
    MessageForm,
    Party,
    Plan,
    Role,
    SumGroup,
    Sums,
    Task,
    simulation_key,
)

CODE = Code(package="package", version="1.0", digest=bytes(32))
MOST = 100


def message(name, form, sender, **fields):
    receiver = "evaluator" if sender == "owner" else "owner"
    held: dict[str, Any] = {"of": ("owner",), "shape": ()} if form.holds_data else {}
    return Message(
        name=name, form=form, sender=sender, receiver=receiver, key="owner", max_bytes=MOST,
        **held, **fields,
    )  # fmt: skip


EXCHANGE = Exchange(
    name="asking",
    task=Task("ask"),
    code=CODE,
    roles=(Role(name="owner", party="ash"), Role(name="evaluator", party="birch")),
    messages=(
        message("public-key", MessageForm.PUBLIC_KEY, "owner"),
        message("question", MessageForm.CIPHERTEXT, "owner"),
        message("answer", MessageForm.ENCRYPTED_RESULT, "evaluator"),
    ),
    rounds=3,
)
PLAN = Plan(
    name="asking",
    parties=tuple(Party.simulation(n) for n in ("ash", "birch")),
    stages=(EXCHANGE,),
)


class Script:
    """Sends what it is told to, and remembers what it took."""

    def __init__(self, **says):
        self.says, self.took = says, {}

    def make(self, name):
        return self.says.get(name.replace("-", "_"), name.encode())

    def take(self, name, content):
        self.took[name] = content

    @property
    def result(self):
        return self.took.get("answer")


def session(name, number=0, plan=PLAN, identity=None, **says):
    return ExchangeSession(
        Round(plan, number), identity or Identity.simulation(name), Script(**says)
    )


def pair(number=0, **says):
    return session("ash", number, **says), session("birch", number, **says)


def resealed(data, content, *, key="birch", sender="birch"):
    """A message with another content, signed anew by whoever has the key."""
    kind, _, payload, _ = canonical.decode(data, 1 << 20)
    values = canonical.decode(payload, 1 << 20)
    changed = canonical.encode(values | {"content": content})
    return Round(PLAN, 0).seal(simulation_key(key), sender, kind, changed)


def answered(number=0, **says):
    """The owner, waiting for the answer, and the honest answer."""
    owner, evaluator = pair(number, **says)
    while (parcel := owner.send()) is not None:
        evaluator.receive(parcel.data)
    return owner, evaluator.send().data


def refused(taker, data, error=ProtocolError, match="."):
    with pytest.raises(error, match=match):
        taker.receive(data)
    with pytest.raises(ProtocolError, match="is over"):
        taker.receive(data)
    with pytest.raises(ProtocolError, match="is over"):
        taker.send()
    assert not taker.done


def test_an_honest_round():
    owner, evaluator = pair()
    sent = []
    while not (owner.done and evaluator.done):
        for each, other in ((owner, evaluator), (evaluator, owner)):
            while (parcel := each.send()) is not None:
                other.receive(parcel.data)
                sent.append((parcel.message, parcel.sender, parcel.receiver))
    assert sent == [
        ("public-key", "ash", "birch"), ("question", "ash", "birch"), ("answer", "birch", "ash"),
    ]  # fmt: skip
    assert owner.result == b"answer"
    assert evaluator.result is None
    assert owner.send() is None


def test_there_is_no_result_before_the_end():
    owner, evaluator = pair()
    with pytest.raises(ProtocolError, match="not finished"):
        _ = owner.result
    assert evaluator.send() is None


def test_another_order_is_refused():
    owner, evaluator = pair()
    _, question = owner.send(), owner.send()
    refused(evaluator, question.data, match="it is repeated or out of order")


def test_a_second_message_of_a_kind_is_refused():
    owner, evaluator = pair()
    key = owner.send()
    evaluator.receive(key.data)
    refused(evaluator, key.data, match="it is repeated or out of order")


def test_a_message_to_whoever_takes_none_is_refused():
    owner, answer = answered()
    owner.receive(answer)
    refused(owner, answer, match="takes none")


def test_an_undeclared_message_is_refused():
    owner, _ = answered()
    payload = canonical.encode({"content": b"x", "said": bytes(32)})
    undeclared = Round(PLAN, 0).seal(
        simulation_key("birch"), "birch", "exchange weights to ash", payload
    )
    refused(owner, undeclared, match="this step takes 'exchange answer to ash'")


def test_an_answer_of_an_earlier_round_is_refused():
    _, old = answered(0)
    owner, _ = answered(1)
    refused(owner, old, VerificationError, "does not verify")


def test_an_answer_to_another_question_is_refused_although_it_is_signed():
    """The evaluator signs for this place what it answered to other messages."""
    _, other = answered(question=b"other")
    owner, _ = answered(question=b"this")
    refused(owner, other, VerificationError, "answers other messages")


def test_a_swapped_question_is_found_by_who_asked():
    """Whoever relays has a key of its own only; even with the owner's it is found."""
    owner, evaluator = pair()
    evaluator.receive(owner.send().data)
    swapped = resealed(owner.send().data, b"another question", key="ash", sender="ash")
    evaluator.receive(swapped)
    refused(owner, evaluator.send().data, VerificationError, "somebody swapped one of them")


def test_a_message_of_another_plan_is_refused():
    other = replace(PLAN, name="another")
    asking, answering = session("ash", plan=other), session("birch", plan=other)
    while (parcel := asking.send()) is not None:
        answering.receive(parcel.data)
    owner, _ = answered()
    refused(owner, answering.send().data, VerificationError, "does not verify")


@pytest.mark.parametrize("key", ["mallory", "coordinator", "ash"])
def test_a_message_in_anothers_name_is_refused(key):
    owner, honest = answered()
    refused(owner, resealed(honest, b"false", key=key), VerificationError, "does not verify")


def test_a_message_of_a_party_that_does_not_send_it_is_refused():
    """In its own name, with its own signature, in the place of the declared sender."""
    owner, honest = answered()
    own = resealed(honest, b"false", key="ash", sender="ash")
    refused(owner, own, VerificationError, "declared to come from 'birch'")


def test_altered_bytes_are_refused():
    owner, honest = answered()
    altered = bytearray(honest)
    altered[-1] ^= 1
    refused(owner, bytes(altered), VerificationError)


def test_a_large_message_is_refused_unread():
    owner, honest = answered()
    refused(owner, resealed(honest, bytes(MOST + 1)), match="the plan declares at most 100")
    owner, honest = answered()
    refused(owner, resealed(honest, bytes(1 << 16)), match="bytes; at most")


def test_nobody_sends_more_than_it_declared():
    owner = session("ash", public_key=bytes(MOST + 1))
    with pytest.raises(ProtocolError, match="has 101 bytes"):
        owner.send()
    with pytest.raises(ProtocolError, match="is over"):
        owner.send()


@pytest.mark.parametrize("fields", [{}, {"content": b""}, {"content": 1, "said": b""}])
def test_malformed_content_is_refused(fields):
    owner, honest = answered()
    kind, sender, _, _ = canonical.decode(honest, 1 << 20)
    data = Round(PLAN, 0).seal(simulation_key("birch"), sender, kind, canonical.encode(fields))
    refused(owner, data, match="lacks its content")


def test_what_a_part_refuses_ends_the_session():
    class Strict(Script):
        def take(self, name, content):
            raise ProtocolError("not this")

    owner, honest = answered()
    owner._part = Strict()
    refused(owner, honest, match="not this")


def test_a_round_is_answered_once():
    """An owner that asks again in the same round gets no second result."""
    birch = Identity.simulation("birch")
    first, asking = session("birch", identity=birch), session("ash")
    while (parcel := asking.send()) is not None:
        first.receive(parcel.data)
    first.send()
    for attempt in (0, 1):
        with pytest.raises(ProtocolError, match="is used up"):
            ExchangeSession(Round(PLAN, 0, attempt), birch, Script())
    assert session("birch", number=1, identity=birch)


def test_a_round_that_sent_no_data_may_be_tried_again():
    ash = Identity.simulation("ash")
    session("ash", identity=ash).send()
    again = ExchangeSession(Round(PLAN, 0, 1), ash, Script()).send()
    assert again is not None
    assert again.message == "public-key"


def test_a_round_of_sums_has_no_exchange():
    sums = Sums(task=Task("task"), code=CODE, sums=SumGroup((make_sum(),)))
    parties = tuple(Party.simulation(n) for n in ("ash", "birch", "cedar", "dogwood"))
    plan = replace(PLAN, parties=parties, stages=(sums, EXCHANGE))
    with pytest.raises(ProtocolError, match="which is not an exchange"):
        session("ash", 0, plan)
    with pytest.raises(PlanError, match="'cedar' holds no role"):
        session("cedar", 1, plan)
    assert session("ash", 1, plan).send().message == "public-key"


def test_no_content_in_a_repr():
    owner, _ = pair(public_key=b"S3CR3T")
    assert "S3CR3T" not in repr(owner)
    assert "S3CR3T" not in repr(owner.send())
