"""Every attack we know on an exchange, and its outcome under a plan.

As for sums (`confide.plan.attacks`): a judge looks at one exchange of a plan and says whether the
stated adversary breaks through (such a plan cannot be made), and if not, what stops it.

Who is corrupt in an exchange: up to c parties, whichever roles they hold, and with them every
*evaluator*: a role that receives data of others to compute on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

from confide.plan.attacks import Aim, Finding, Outcome
from confide.plan.exchange import Exchange, Message, MessageForm
from confide.plan.threat import Adversary, Corruption

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "EXCHANGE_ATTACKS",
    "assess_exchange",
    "corruption_of",
    "other_parties",
]

_Verdict = tuple[Outcome, str]
_Judge = Callable[["Plan", Exchange], _Verdict]

_NOBODY: Final = (Outcome.ABSENT, "nobody in the stated threat could try")
_NOTHING_ENCRYPTED: Final = (Outcome.ABSENT, "nothing is encrypted under somebody's key")


def assess_exchange(plan: Plan, exchange: Exchange) -> tuple[Finding, ...]:
    """Judges an exchange of a plan by the whole table."""
    where = f"in exchange {exchange.name!r}: " if len(plan.stages) > 1 else ""
    verdicts = ((*row, row[2](plan, exchange)) for row in EXCHANGE_ATTACKS)
    return tuple(
        Finding(name, aim, outcome, where + reason, source)
        for name, aim, _, source, (outcome, reason) in verdicts
    )


def corruption_of(adversary: Adversary, exchange: Exchange, role: str) -> Corruption:
    """How far the holder of a role may be corrupted."""
    levels = [adversary.parties] if adversary.colluding_parties else [Corruption.HONEST]
    if exchange.is_evaluator(role):
        levels.append(adversary.evaluator)
    return max(levels, key=list(Corruption).index)


def other_parties(plan: Plan, exchange: Exchange, message: Message, role: str) -> list[str]:
    """The parties of other ownership groups than a role's whose data a message is computed from."""
    own = plan.owners[exchange.party_of(role)]
    parties = (exchange.party_of(each) for each in message.of)
    return [party for party in parties if plan.owners[party] != own]


def _read_data(plan: Plan, exchange: Exchange) -> _Verdict:
    adversary = plan.threat.confidentiality
    trusted = []
    for message in exchange.messages:
        in_clear = message.form in {MessageForm.PLAINTEXT, MessageForm.RESULT}
        if in_clear and adversary.coordinator.corrupt:
            return Outcome.BROKEN, _readable_relay(plan, message)
        given = message.read_by_receiver and not message.tells_result
        others = other_parties(plan, exchange, message, message.receiver)
        if not (given and others):
            continue
        receiver = exchange.party_of(message.receiver)
        if corruption_of(adversary, exchange, message.receiver).corrupt:
            return Outcome.BROKEN, (
                f"read another's data: {receiver!r} can read {message.name!r}, which is computed "
                f"from data of {', '.join(others)}. Send it encrypted under their own key, or call "
                "the receiver honest (threat.confidentiality.evaluator = 'honest' and "
                "colluding_parties = 0) if it may read them."
            )
        trusted.append(receiver)
    if trusted:
        return Outcome.ABSENT, f"the plan trusts {', '.join(trusted)} with what it receives"
    return Outcome.DEFEATED, (
        "a party that computes on another's data receives ciphertexts under a key that it does "
        "not have"
    )


def _readable_relay(plan: Plan, message: Message) -> str:
    return (
        f"read another's data: message {message.name!r} travels in clear through the coordinator, "
        f"which is {plan.threat.confidentiality.coordinator.value!r}. Leave the message out (a "
        "result under the receiver's own key needs none), or call the coordinator 'honest' if it "
        "may read it."
    )


def _pooled_key(plan: Plan, exchange: Exchange) -> _Verdict:
    adversary, beyond = plan.threat.confidentiality, ""
    for message in exchange.messages:
        if not message.form.encrypted or message.key in {None, message.receiver}:
            continue
        others = other_parties(plan, exchange, message, message.key or "")
        if not others:
            continue
        together = _cost(plan, exchange, message.key or "") | (
            set() if adversary.coordinator.corrupt else _cost(plan, exchange, message.receiver)
        )
        holder, receiver = (exchange.party_of(r) for r in (message.key or "", message.receiver))
        if len(together) <= adversary.colluding_parties:
            return Outcome.BROKEN, (
                f"key and ciphertext together: {holder!r} has the key of {message.name!r}, "
                f"{receiver!r} and any relay have the ciphertext, and the stated adversary "
                f"may hold both: together they read data of {', '.join(others)}. Encrypt under the "
                "data owner's own key, or lower threat.confidentiality.colluding_parties."
            )
        beyond = f"it takes {holder} and {receiver} together, more than the stated adversary holds"
    if beyond:
        return Outcome.DEFEATED, beyond
    if not any(m.form.encrypted for m in exchange.messages):
        return _NOTHING_ENCRYPTED
    return Outcome.DEFEATED, "data is encrypted under its owner's own key"


def _cost(plan: Plan, exchange: Exchange, role: str) -> set[str]:
    """The ownership groups that count as colluders when a role is corrupt."""
    if exchange.is_evaluator(role) and plan.threat.confidentiality.evaluator.corrupt:
        return set()
    return {plan.owners[exchange.party_of(role)]}


def _key_from_results(_: Plan, exchange: Exchange) -> _Verdict:
    if not any(m.form.encrypted for m in exchange.messages):
        return _NOTHING_ENCRYPTED
    if any(m.form is MessageForm.RESULT for m in exchange.messages):
        return Outcome.DEFEATED, (
            "results that others see are opened under noise that hides the error, and each key "
            "opens only as many as it is allowed to"
        )
    return Outcome.ASSUMED, (
        "results stay with the holder of the key: shown to anybody who has their ciphertexts, "
        "they would reveal the key"
    )


def _false_ciphertext(plan: Plan, exchange: Exchange) -> _Verdict:
    adversary = plan.threat.confidentiality
    computed = [
        m for m in exchange.messages if m.form is MessageForm.ENCRYPTED_RESULT or m.is_opened
    ]
    liars = [m for m in computed
             if corruption_of(adversary, exchange, m.sender) is Corruption.MALICIOUS]  # fmt: skip
    if not liars:
        return _NOBODY
    told = [m for m in exchange.messages if m.form is MessageForm.RESULT]
    if told:
        return Outcome.BROKEN, (
            "another ciphertext in the place of a result: "
            f"{exchange.party_of(liars[0].sender)!r} may lie and send back a ciphertext that it "
            f"was given, and {exchange.party_of(told[0].sender)!r} opens it in {told[0].name!r}. "
            "Leave that message out, or call the evaluator and the parties 'curious'."
        )
    return Outcome.REPORTED, (
        "it may send another ciphertext than the result, and nothing proves that it did not. "
        "Nobody else sees the decrypted result, but the reaction of the key's holder (it stops, "
        "or it acts on the result) reveals something about its data"
    )


def _results_told(
    plan: Plan, exchange: Exchange
) -> Iterator[tuple[Message, Corruption, list[str]]]:
    """Results that their receiver reads, its corruption, and whose data they reveal."""
    for message in exchange.messages:
        others = other_parties(plan, exchange, message, message.receiver)
        if message.tells_result and message.read_by_receiver and others:
            adversary = plan.threat.confidentiality
            yield message, corruption_of(adversary, exchange, message.receiver), others


def _from_results(plan: Plan, exchange: Exchange) -> _Verdict:
    for message, receiver, others in _results_told(plan, exchange):
        if not receiver.corrupt:
            continue
        count = exchange.rounds * message.numbers
        lies = (
            ", and one round is enough for a key holder that lies: a ciphertext has room for "
            "thousands of inputs of its choice"
        )
        return Outcome.REPORTED, (
            f"{exchange.party_of(message.receiver)} learns {count:,} "
            f"{'result' if count == 1 else 'results'} over data of {', '.join(others)}. A linear "
            f"model{_weights(exchange, message)} can be computed from as many results as it has "
            "numbers, even if an invertible function is applied to them"
            + (lies if receiver is Corruption.MALICIOUS and message.form.encrypted else "")
        )
    return _NOBODY


def _weights(exchange: Exchange, result: Message) -> str:
    """How many numbers a linear model over the receiver's inputs has, where they are declared."""
    for message in exchange.messages:
        if message.sender == result.receiver and message.form.holds_data and message.shape:
            columns = message.shape[-1]
            return f" of {columns} weights and an intercept ({columns + 1} numbers)"
    return ""


def _from_ciphertext(plan: Plan, exchange: Exchange) -> _Verdict:
    found = [told for told in _results_told(plan, exchange)
             if told[0].form is MessageForm.ENCRYPTED_RESULT and told[1].corrupt]  # fmt: skip
    if not found:
        return _NOBODY
    hidden = (
        "a result is re-randomised by a fresh encryption of zero, and noise hides its error: if "
        "the key holder made its keys honestly, the ciphertext reveals no more than the result"
    )
    if any(receiver is Corruption.MALICIOUS for _, receiver, _ in found):
        return Outcome.REPORTED, (
            f"{hidden}. Nothing proves that keys were made honestly: a key holder that lies may "
            "learn how results were computed, a linear model as a whole"
        )
    return Outcome.DEFEATED, hidden


def _forged(plan: Plan, _: Exchange) -> _Verdict:
    adversary = plan.threat.confidentiality
    liars = {adversary.coordinator, adversary.network, adversary.evaluator}
    if adversary.colluding_parties:
        liars.add(adversary.parties)
    if Corruption.MALICIOUS not in liars:
        return _NOBODY
    return Outcome.DEFEATED, (
        "every message is signed over plan, round, attempt, name, sender, receiver, its content "
        "and all messages between these two before it; another order, a second one and replays are "
        "refused"
    )


def _wiretap(plan: Plan, exchange: Exchange) -> _Verdict:
    if not plan.threat.confidentiality.network.corrupt:
        return _NOBODY
    if any(m.form in {MessageForm.PLAINTEXT, MessageForm.RESULT} for m in exchange.messages):
        return Outcome.ASSUMED, "messages in clear are as safe as the encrypted channel (TLS 1.3)"
    return Outcome.DEFEATED, "what travels is keys and ciphertexts, beneath the encrypted channel"


def _false_result(plan: Plan, exchange: Exchange) -> _Verdict:
    adversary = plan.threat.integrity
    senders = {m.sender for m in exchange.messages if m.tells_result or m.is_opened}
    if not any(corruption_of(adversary, exchange, s) is Corruption.MALICIOUS for s in senders):
        return _NOBODY
    return Outcome.REPORTED, (
        "the party that computes the result can set it: nothing proves that it followed the "
        "agreed computation, or that it used the same model in every round"
    )


EXCHANGE_ATTACKS: Final[tuple[tuple[str, Aim, _Judge, str], ...]] = (
    ("read another's data", Aim.CONFIDENTIALITY, _read_data,
     "Goldreich 2004, Foundations of Cryptography II, §7.2"),
    ("key and ciphertext together", Aim.CONFIDENTIALITY, _pooled_key,
     "López-Alt, Tromer and Vaikuntanathan 2012, On-the-Fly Multiparty Computation"),
    ("secret key from results", Aim.CONFIDENTIALITY, _key_from_results,
     "Li and Micciancio 2021, On the Security of Homomorphic Encryption on Approximate Numbers"),
    ("another ciphertext in the place of a result", Aim.CONFIDENTIALITY, _false_ciphertext,
     "Chenal and Tang 2014, On Key Recovery Attacks Against Existing SHE Schemes"),
    ("model from its results", Aim.CONFIDENTIALITY, _from_results,
     "Tramèr et al. 2016, Stealing Machine Learning Models via Prediction APIs, §4.1"),
    ("model from a result's ciphertext", Aim.CONFIDENTIALITY, _from_ciphertext,
     "Ducas and Stehlé 2016, Sanitization of FHE Ciphertexts"),
    ("forged, reordered or replayed exchange message", Aim.CONFIDENTIALITY, _forged,
     "Canetti 2001, Universally Composable Security"),
    ("wiretap of an exchange", Aim.CONFIDENTIALITY, _wiretap, "Rescorla 2018, RFC 8446"),
    ("false result", Aim.INTEGRITY, _false_result,
     "Fiore, Gennaro and Pastro 2014, Efficiently Verifiable Computation on Encrypted Data"),
)  # fmt: skip
"""Name, aim, judge and source of every attack on an exchange, in the order of the views."""
