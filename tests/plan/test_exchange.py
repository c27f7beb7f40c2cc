import itertools
from dataclasses import replace
from typing import Any

import pytest
from tests.plan.examples import COORDINATOR_KEY, PARTIES, make_sum

from confide.errors import PlanError
from confide.plan import (
    Adversary,
    CentralNoise,
    Code,
    Condition,
    Corruption,
    Exchange,
    Form,
    Masked,
    Message,
    MessageForm,
    NoiseShares,
    OpenCrowd,
    Outcome,
    Party,
    Plan,
    Role,
    Standing,
    Subject,
    SumGroup,
    Sums,
    Task,
    Threat,
    Verdict,
    What,
    exposures,
)

HONEST, CURIOUS, MALICIOUS = Corruption
CODE = Code(package="package", version="1.0", digest=bytes(32))
A, B, C = (party.name for party in PARTIES[:3])


def message(name="rows", form=MessageForm.CIPHERTEXT, **changes):
    fields: dict[str, Any] = {"sender": "owner", "receiver": "evaluator", "max_bytes": 1000}
    if form.holds_data:
        fields |= {"of": ("owner",), "shape": (2, 3)}
    if form.keyed:
        fields["key"] = "owner"
    return Message(name=name, form=form, **fields | changes)


KEY = message("public-key", MessageForm.PUBLIC_KEY)
ROWS = message()
SCORES = message(
    "scores", MessageForm.ENCRYPTED_RESULT, sender="evaluator", receiver="owner",
    of=("owner", "evaluator"), shape=(2,),
)  # fmt: skip
TOLD = message("told", MessageForm.RESULT, of=("owner", "evaluator"), shape=(2,))


def make_exchange(*messages, parties=(A, B), named=("owner", "evaluator"), **changes):
    fields: dict[str, Any] = {
        "task": Task("score"),
        "code": CODE,
        "roles": [Role(name=r, party=p) for r, p in zip(named, parties, strict=True)],
        "messages": messages or (KEY, ROWS, SCORES),
    }
    return Exchange(**fields | changes)


def make_plan(*stages, parties=PARTIES[:2], **changes):
    return Plan(
        **{
            "name": "example",
            "parties": parties,
            "coordinator": COORDINATOR_KEY,
            "stages": stages or (make_exchange(),),
        }
        | changes
    )


def sums(**changes):
    return Sums(**{"task": Task("task"), "code": CODE, "sums": SumGroup((make_sum(),))} | changes)


def against(**adversary):
    fields: dict[str, Any] = {
        "coordinator": HONEST,
        "colluding_parties": 0,
        "evaluator": HONEST,
        "network": HONEST,
    }
    return Threat(confidentiality=Adversary(**fields | adversary))


def finding(plan, attack):
    (found,) = [f for f in plan.findings if f.attack == attack]
    return found


def in_every_run(plan, observer, value=None):
    """What an observer sees of messages, without lying."""
    return [
        e
        for e in exposures(plan)
        if e.observer.name == observer
        and e.condition is Condition.EVERY_RUN
        and e.what is not What.METADATA
        and value in {None, e.value}
    ]


class TestMessages:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"name": "Rows"}, "a message named 'Rows'"),
            ({"receiver": "owner"}, "from role 'owner' to itself"),
            ({"max_bytes": 0}, "max_bytes 0"),
            ({"max_bytes": (1 << 30) + 1}, "at most 1,073,741,824"),
            ({"of": ()}, "computed from the data of []"),
            ({"shape": None}, "the shape None"),
            ({"shape": (2, 0)}, "sizes are at least 1"),
            ({"key": None}, "the key None"),
            ({"form": MessageForm.PLAINTEXT}, "the key 'owner'"),
            ({"form": MessageForm.PUBLIC_KEY}, "computed from the data of ['owner']"),
        ],
    )
    def test_that_cannot_be(self, changes, said):
        with pytest.raises(PlanError) as error:
            replace(ROWS, **changes)
        assert said in str(error.value)

    def test_keys_come_from_their_holder(self):
        with pytest.raises(
            PlanError, match="the role that has the secret key makes and sends them"
        ):
            replace(KEY, sender="evaluator", receiver="owner")

    def test_keys_hold_no_numbers(self):
        assert (KEY.numbers, ROWS.numbers, replace(ROWS, shape=()).numbers) == (0, 6, 1)
        with pytest.raises(PlanError, match="no shape for keys"):
            replace(KEY, shape=(2,))


class TestExchanges:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"name": "two words"}, "a stage named 'two words'"),
            ({"rounds": 0}, "rounds is 0"),
            ({"roles": (Role(name="owner", party=A),)}, "has 1 roles and 3 messages"),
            ({"messages": ()}, "has 2 roles and 0 messages"),
            ({"parties": (A, A)}, f"are held by party '{A}'"),
            ({"roles": [Role(name="owner", party=p) for p in (A, B)]}, "share the name 'owner'"),
            ({"messages": (KEY, KEY)}, "share the name 'public-key'"),
            ({"messages": (replace(ROWS, of=("nobody",)),)}, "names role 'nobody'"),
            ({"messages": (KEY, replace(ROWS, receiver="other"))}, "names role 'other'"),
        ],
    )
    def test_that_cannot_be(self, changes, said):
        with pytest.raises(PlanError) as error:
            make_exchange(**changes)
        assert said in str(error.value)

    def test_a_role_without_messages_is_refused(self):
        with pytest.raises(PlanError, match=r"role 'helper' .* sends and receives no message"):
            make_exchange(parties=(A, B, C), named=("owner", "evaluator", "helper"))

    def test_nobody_encrypts_under_a_key_that_it_does_not_have(self):
        with pytest.raises(PlanError, match="declare a message of form 'public-key'"):
            make_exchange(ROWS, SCORES)
        with pytest.raises(PlanError, match="before it"):
            make_exchange(ROWS, SCORES, KEY)

    def test_says_who_holds_which_role(self):
        exchange = make_exchange()
        assert (exchange.party_of("owner"), exchange.role_of(B)) == (A, "evaluator")
        assert exchange.is_evaluator("evaluator")
        assert not exchange.is_evaluator("owner")
        with pytest.raises(PlanError, match="no role 'other'"):
            exchange.party_of("other")
        with pytest.raises(PlanError, match="holds no role"):
            exchange.role_of(C)


class TestPlans:
    def test_two_parties_are_enough(self):
        plan = make_plan()
        assert plan.rounds == 1
        assert (plan.task, plan.code) == (Task("score"), CODE)
        assert (plan.exchanges, plan.sum_stages, plan.sums_part) == (plan.stages, (), None)

    def test_bytes_are_read_back(self):
        plan = make_plan(make_exchange(rounds=3))
        assert Plan.from_canonical(plan.canonical()) == plan

    def test_bytes_of_plans_without_exchanges_are_as_they_were(self):
        plan = make_plan(sums(), parties=PARTIES[:5])
        assert b"Exchange" not in plan.canonical()
        assert plan.sums_part is plan

    def test_a_party_without_a_role_is_refused(self):
        with pytest.raises(PlanError, match=f"party '{C}' holds no role in exchange 'exchange'"):
            make_plan(parties=PARTIES[:3])

    def test_a_role_without_a_party_is_refused(self):
        with pytest.raises(PlanError, match=f"no party '{C}'"):
            make_plan(make_exchange(parties=(A, C)))

    def test_two_exchanges_may_have_different_parties(self):
        other = make_exchange(name="other", parties=(B, C), rounds=2)
        plan = make_plan(make_exchange(), other, parties=PARTIES[:3])
        assert [[p.name for p in part.parties] for part in plan.stage_plans] == [[A, B], [B, C]]
        assert [plan.first_round(name) for name in ("exchange", "other")] == [0, 1]
        assert plan.rounds == 3
        with pytest.raises(PlanError, match="no stage 'third'"):
            plan.first_round("third")

    @pytest.mark.parametrize(
        "changes", [{"dropouts": 1}, {"noise": CentralNoise(1.0)}, {"noise": NoiseShares(1.0)}]
    )
    def test_what_belongs_to_sums_is_refused(self, changes):
        with pytest.raises(PlanError, match=f"without sums that sets {next(iter(changes))}"):
            make_plan(**changes)

    def test_it_has_no_sums_to_ask_for(self):
        for what in ("sums", "sampling", "release"):
            with pytest.raises(PlanError, match="is an exchange, which has no sums"):
                getattr(make_plan(), what)
        assert not make_plan().to_parties

    def test_stages_may_mix(self):
        plan = make_plan(
            sums(), make_exchange(rounds=2), parties=PARTIES[:5], noise=NoiseShares(2.0)
        )
        assert Plan.from_canonical(plan.canonical()) == plan
        of_sums, of_exchange = plan.stage_plans
        assert of_sums.noise == NoiseShares(2.0)
        assert [p.name for p in of_exchange.parties] == [A, B]
        assert (of_exchange.aggregation, of_exchange.crowd) == (Masked(), OpenCrowd())
        assert plan.sums_part.stages == (sums(),)
        attacks = {f.attack for f in plan.findings}
        assert {"insider subtraction", "read another's data"} <= attacks

    def test_rounds_of_an_exchange_take_no_noise_from_sums(self):
        alone = make_plan(sums(), parties=PARTIES[:5], noise=NoiseShares(2.0))
        mixed = make_plan(
            make_exchange(rounds=9), sums(), parties=PARTIES[:5], noise=NoiseShares(2.0)
        )
        assert mixed.stage_plans[1].noise == alone.noise

    def test_one_sum_beside_an_exchange_is_still_one_sum(self):
        plan = make_plan(make_exchange(), sums(), parties=PARTIES[:7], dropouts=1)
        assert finding(plan, "differences across rounds").outcome is Outcome.DEFEATED

    def test_two_parties_have_no_sum_beside_an_exchange(self):
        with pytest.raises(PlanError):
            make_plan(make_exchange(), sums())


class TestConfidentiality:
    def test_an_evaluator_sees_ciphertexts_only(self):
        plan = make_plan()
        assert finding(plan, "read another's data").outcome is Outcome.DEFEATED
        assert {e.form for e in in_every_run(plan, B)} == {Form.CIPHERTEXT, Form.PUBLIC_KEY}

    @pytest.mark.parametrize(
        "threat",
        [
            against(evaluator=CURIOUS),
            against(evaluator=MALICIOUS),
            against(colluding_parties=1, parties=CURIOUS),
        ],
    )
    def test_plaintext_to_an_evaluator_that_is_not_honest_cannot_be_planned(self, threat):
        rows = message(form=MessageForm.PLAINTEXT)
        with pytest.raises(PlanError, match=f"read another's data: '{B}' can read 'rows'"):
            make_plan(make_exchange(rows), threat=threat)
        trusting = make_plan(make_exchange(rows), threat=against())
        assert finding(trusting, "read another's data").outcome is Outcome.ABSENT

    def test_a_ciphertext_under_the_receivers_key_is_plaintext_to_it(self):
        key = replace(KEY, sender="evaluator", receiver="owner", key="evaluator")
        rows = replace(ROWS, key="evaluator")
        with pytest.raises(PlanError, match="read another's data"):
            make_plan(make_exchange(key, rows))
        plan = make_plan(make_exchange(key, rows), threat=against())
        (seen,) = in_every_run(plan, B, value="rows")
        assert (seen.form, seen.observer.standing) == (Form.PLAINTEXT, Standing.TRUSTED)
        assert seen.guarantee.unit is Verdict.NOT_PRIVATE

    def test_parties_of_one_owner_may_read_each_others(self):
        parties = (replace(PARTIES[0], group="firm"), replace(PARTIES[1], group="firm"))
        rows = message(form=MessageForm.PLAINTEXT)
        threat = against(colluding_parties=1, evaluator=MALICIOUS)
        plan = make_plan(make_exchange(rows), parties=parties, threat=threat)
        assert finding(plan, "read another's data").outcome is Outcome.DEFEATED

    @pytest.mark.parametrize("form", [MessageForm.PLAINTEXT, MessageForm.RESULT])
    def test_nothing_in_clear_passes_a_coordinator_that_is_not_honest(self, form):
        exchange = make_exchange(KEY, ROWS, SCORES, message("told", form))
        with pytest.raises(PlanError, match="in clear through the coordinator, which is 'curious'"):
            make_plan(exchange, threat=against(coordinator=CURIOUS))
        make_plan(exchange, threat=against())

    @pytest.mark.parametrize(
        ("adversary", "broken"),
        [
            ({"colluding_parties": 2}, True),
            ({"colluding_parties": 1}, False),
            ({"colluding_parties": 1, "evaluator": CURIOUS}, True),
            ({"colluding_parties": 1, "coordinator": CURIOUS}, True),
            ({"colluding_parties": 0, "evaluator": MALICIOUS, "coordinator": MALICIOUS}, False),
        ],
    )
    def test_who_pools_key_and_ciphertext(self, adversary, broken):
        """Rows of the owner under the key of a third role, in the evaluator's hands."""
        key = message(
            "public-key", MessageForm.PUBLIC_KEY, sender="judge", receiver="owner", key="judge"
        )
        exchange = make_exchange(
            key,
            replace(ROWS, key="judge"),
            parties=(A, B, C),
            named=("owner", "evaluator", "judge"),
        )
        made = {"parties": PARTIES[:3], "threat": against(**adversary)}
        if broken:
            with pytest.raises(PlanError, match="key and ciphertext together"):
                make_plan(exchange, **made)
        else:
            found = finding(make_plan(exchange, **made), "key and ciphertext together")
            assert found.outcome is Outcome.DEFEATED

    def test_results_told_to_an_evaluator_that_may_lie_open_its_input(self):
        exchange = make_exchange(KEY, ROWS, SCORES, TOLD)
        with pytest.raises(PlanError, match="send back a ciphertext that it was given"):
            make_plan(exchange, threat=against(evaluator=MALICIOUS))
        curious = make_plan(exchange, threat=against(evaluator=CURIOUS))
        assert finding(curious, "secret key from results").outcome is Outcome.DEFEATED

    def test_results_that_stay_at_home_are_assumed_to(self):
        assert finding(make_plan(), "secret key from results").outcome is Outcome.ASSUMED
        lied = finding(make_plan(), "another ciphertext in the place of a result")
        assert lied.outcome is Outcome.REPORTED

    def test_the_owner_learns_the_model_from_its_results(self):
        found = finding(make_plan(make_exchange(rounds=5)), "model from its results")
        assert found.outcome is Outcome.REPORTED
        assert f"{A} learns 10 results over data of {B}" in found.reason
        assert "3 weights and an intercept (4 numbers)" in found.reason
        assert "one round is enough for a key holder that lies" in found.reason
        curious = make_plan(threat=against(colluding_parties=1, parties=CURIOUS))
        assert "that lies" not in finding(curious, "model from its results").reason
        trusted = make_plan(threat=against())
        assert finding(trusted, "model from its results").outcome is Outcome.ABSENT

    @pytest.mark.parametrize(
        ("parties", "outcome"),
        [(HONEST, Outcome.ABSENT), (CURIOUS, Outcome.DEFEATED), (MALICIOUS, Outcome.REPORTED)],
    )
    def test_the_ciphertext_of_a_result(self, parties, outcome):
        plan = make_plan(threat=against(colluding_parties=int(parties.corrupt), parties=parties))
        assert finding(plan, "model from a result's ciphertext").outcome is outcome

    def test_integrity_is_reported(self):
        assert finding(make_plan(), "false result").outcome is Outcome.REPORTED
        honest = Adversary(colluding_parties=0, evaluator=HONEST)
        plan = make_plan(threat=Threat(integrity=honest))
        assert finding(plan, "false result").outcome is Outcome.ABSENT

    def test_findings_of_several_exchanges_name_theirs(self):
        plan = make_plan(make_exchange(), make_exchange(name="other"))
        assert {f.reason.split(":")[0] for f in plan.findings} == {
            "in exchange 'exchange'", "in exchange 'other'",
        }  # fmt: skip

    @pytest.mark.parametrize(
        ("coordinator", "evaluator", "network", "colluding"),
        list(itertools.product(Corruption, Corruption, Corruption, (0, 1, 2))),
    )
    def test_no_adversary_breaks_scores_that_stay_at_home(
        self, coordinator, evaluator, network, colluding
    ):
        threat = against(
            coordinator=coordinator, evaluator=evaluator, network=network,
            colluding_parties=colluding,
        )  # fmt: skip
        assert make_plan(threat=threat).findings


class TestExposures:
    TOLD = make_exchange(KEY, ROWS, SCORES, TOLD)
    TRUSTING = against(network=MALICIOUS)

    def test_each_observer_has_each_message_once(self):
        plan = make_plan(make_exchange(rounds=3))
        for observer in (A, B, "coordinator", "network"):
            seen = in_every_run(plan, observer)
            assert [e.value for e in seen] == ["public key", "rows", "scores"]
            assert {e.when for e in seen} == {"in each of 3 rounds"}
            assert {e.stage for e in seen} == {0}

    def test_who_reads_what(self):
        plan = make_plan(self.TOLD, threat=self.TRUSTING)
        read = {
            (e.observer.name, e.value)
            for e in exposures(plan)
            if e.form in {Form.PLAINTEXT, Form.RESULT} and e.condition is Condition.EVERY_RUN
        }
        assert read == {
            (A, "rows"), (A, "scores"), (A, "told"), (B, "told"), ("coordinator", "told"),
        }  # fmt: skip

    def test_data_of_its_own_are_its_own(self):
        (rows,) = in_every_run(make_plan(), A, "rows")
        assert (rows.what, rows.of) == (What.OWN_DATA, Subject.ITSELF)

    def test_forms_name_the_keys_holder(self):
        (rows,) = in_every_run(make_plan(), "coordinator", "rows")
        assert rows.detail == f"a ciphertext under {A}'s key"
        assert (rows.of, rows.whose) == (Subject.NAMED, (A,))
        assert f"the secret key leaving {A}" in rows.assumption
        assert rows.guarantee.unit is Verdict.HIDDEN

    def test_the_channel_protects_what_is_in_clear(self):
        plan = make_plan(self.TOLD, threat=self.TRUSTING)
        (told,) = in_every_run(plan, "network", "told")
        assert "TLS" in told.assumption
        assert told.form is Form.SEALED
        assert told.guarantee.unit is Verdict.HIDDEN

    def test_concern_the_parties_they_name(self):
        seen = exposures(make_plan(make_exchange(), sums(), parties=PARTIES[:7]))
        of_exchange = [e for e in seen if e.stage == 0]
        assert any(e.concerns(A) for e in of_exchange)
        assert not any(e.concerns(PARTIES[5].name) for e in of_exchange)
        assert any(e.concerns(PARTIES[5].name) for e in seen if e.stage == 1)

    def test_name_their_stage_beside_others(self):
        stages = sums(name="first", budget=0.5), make_exchange(), sums(name="last", budget=0.5)
        plan = make_plan(*stages, parties=PARTIES[:7])
        whens = {e.stage: e.when for e in exposures(plan) if e.what is What.SUMS}
        assert whens == {0: "once of stage 'first'", 2: "once of stage 'last'"}
        (rows,) = in_every_run(plan, B, "rows")
        assert (rows.stage, rows.when) == (1, "once of stage 'exchange'")

    @pytest.mark.parametrize("parties", Corruption)
    @pytest.mark.parametrize("evaluator", Corruption)
    def test_say_by_cheating_what_findings_report(self, parties, evaluator):
        """A key holder that lies has the model; an evaluator that lies has a bit a round."""
        threat = against(
            colluding_parties=int(parties.corrupt), parties=parties, evaluator=evaluator
        )
        plan = make_plan(threat=threat)
        lied = {e.observer.name for e in exposures(plan) if e.condition is Condition.BY_CHEATING}
        model = "one round is enough" in finding(plan, "model from its results").reason
        replaced = finding(plan, "another ciphertext in the place of a result").outcome
        assert (A in lied) is model
        assert (B in lied) is (replaced is Outcome.REPORTED)

    def test_who_pools_key_and_ciphertext_is_beyond_the_threat(self):
        key = message(
            "public-key", MessageForm.PUBLIC_KEY, sender="judge", receiver="owner", key="judge"
        )
        exchange = make_exchange(
            key,
            replace(ROWS, key="judge"),
            parties=(A, B, C),
            named=("owner", "evaluator", "judge"),
        )
        plan = make_plan(exchange, parties=PARTIES[:3], threat=against(colluding_parties=1))
        (pooled,) = [e for e in exposures(plan) if e.condition is Condition.BEYOND]
        assert pooled.observer.standing is Standing.BEYOND
        assert (pooled.form, pooled.whose) == (Form.PLAINTEXT, (A,))
        assert {C, B} <= set(pooled.observer.name.replace(",", "").split())


def test_simulated_parties_hold_roles():
    parties = [Party.simulation(name) for name in ("ash", "birch")]
    plan = make_plan(make_exchange(parties=("ash", "birch")), parties=parties)
    assert plan.simulated().stages == plan.stages
