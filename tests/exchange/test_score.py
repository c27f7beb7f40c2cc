"""Encrypted scoring to the end, and what a lying party gets."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tests.exchange.scores import (
    COLUMNS,
    EVALUATOR,
    MODEL,
    OWNER,
    ROWS,
    Table,
    declared,
    plan_of,
)

from confide import canonical, he
from confide.errors import (
    ConfideError,
    DataError,
    EncryptionError,
    PlanError,
    ProtocolError,
    VerificationError,
)
from confide.exchange import (
    EncryptedScore,
    ScoreModel,
    estimate_exchange,
    find_exchange,
    find_program,
    run_exchange,
)
from confide.plan import Adversary, Corruption, MessageForm, Plan, Task, Threat


def run(scoring, rows=ROWS, model=MODEL, **options):
    return run_exchange(plan_of(scoring), {OWNER: rows, EVALUATOR: model}, **options)


class TestScores:
    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"rows": 1, "rounds": 2},
            {"link": "logistic", "precision": 1e-2, "weight_bound": 0.75},
        ],
        ids=["linear", "two rounds", "logistic"],
    )
    def test_are_those_in_clear(self, changes):
        scoring = declared(**changes)
        done = run(scoring)
        found = np.concatenate(done.results[OWNER])
        assert set(done.results) == {OWNER}
        assert scoring.error <= scoring.precision
        assert np.abs(found - scoring.in_clear(MODEL, ROWS)).max() <= scoring.error

    def test_of_rows_in_several_ciphertexts(self):
        scoring = declared(rows=9000, precision=1e-2)
        rows = np.random.default_rng(0).uniform(-1, 1, (9000, 3))
        (found,) = run(scoring, rows).results[OWNER]
        assert np.abs(found - scoring.in_clear(MODEL, rows)).max() <= scoring.error

    def test_of_a_data_frame_by_its_columns(self):
        frame = pd.DataFrame(ROWS, columns=list(COLUMNS))[["age", "income", "debt"]]
        (found,) = run(declared(), frame.assign(other="text")).results[OWNER]
        assert np.abs(found - declared().in_clear(MODEL, ROWS)).max() <= declared().error

    def test_of_a_model_at_its_bounds(self):
        scoring, extreme = declared(), ScoreModel.of([1, -1, 1], intercept=-1)
        rows = np.array([[1, 1, 1], [-1, 1, -1]])
        (found,) = run(scoring, rows, extreme).results[OWNER]
        assert np.abs(found - scoring.in_clear(extreme, rows)).max() <= scoring.error

    def test_history_counts_bytes_within_the_estimate(self):
        scoring = declared(rows=1, rounds=2)
        seen: list[Any] = []
        done = run(scoring, on_round=seen.append)
        cost = estimate_exchange(plan_of(scoring))
        assert seen == list(done.rounds)
        assert [entry["round"] for entry in seen] == [0, 1]
        assert (cost.stage, cost.rounds) == ("scoring", 2)
        assert cost.total_bytes == 2 * sum(cost.message_bytes.values())
        assert cost.seconds > 0
        for entry in seen:
            for name, most in cost.message_bytes.items():
                assert 0.9 * most < entry[name] + 512 < most + 1024

    def test_both_sides_find_the_ring_in_the_plan(self):
        plan = Plan.from_canonical(plan_of(declared()).canonical())
        program = EncryptedScore.of_exchange(find_exchange(plan))
        assert program.planned.parameters == declared().planned.parameters


class TestDeclarations:
    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"columns": ()}, "0 columns; at least 1 and at most 1,000"),
            ({"columns": "income"}, "give a list of names"),
            ({"columns": (1,)}, "give a list of names"),
            ({"columns": ("a", "a")}, "name each once"),
            ({"bound": 0.0}, "bound is 0.0"),
            ({"bound": "1"}, "bound is '1'"),
            ({"ring": []}, "parameters that are not of version 1"),
            ({"ring": {"version": 1}}, "the ring of task"),
            (
                {
                    "ring": he.Literal(
                        scheme=he.Scheme.BGV,
                        degree=8192,
                        depth=3,
                        level_bits=40,
                        base_bits=(44,),
                        special_bits=(44,),
                        plain_modulus=1032193,
                    ).as_value()
                },
                "BGV computes with whole numbers",
            ),
            ({"rows": 1 << 17}, "from 1 to 65,536"),
            ({"weight_bound": float("inf")}, "weight_bound is inf"),
            ({"precision": True}, "precision is True"),
            ({"rows": 0}, "rows is 0"),
            ({"rounds": 1.0}, "rounds is 1.0"),
            ({"link": "probit"}, "link is 'probit'; it is one of identity, logistic"),
            ({"precision": 1e-30}, "no encryption gives scores within 1e-30"),
            ({"link": "logistic", "weight_bound": 1e4}, "takes a polynomial of a degree above"),
        ],
    )
    def test_that_cannot_be(self, changes, said):
        with pytest.raises(PlanError) as error:
            replace(declared(), **{"ring": None} | changes)
        assert said in str(error.value)

    def test_a_ring_that_does_not_suffice_is_refused(self):
        with pytest.raises(PlanError, match="this encryption does not give scores within 1e-06"):
            replace(declared(), precision=1e-6, ring=declared().ring)

    def test_a_ring_that_is_not_secure_is_refused(self):
        weak = dict(declared().ring) | {"degree": 4096, "depth": 3}
        with pytest.raises(PlanError, match="128"):
            replace(declared(), ring=weak)

    def exchange(self, **changes):
        exchange = find_exchange(plan_of(declared()))
        return replace(exchange, **changes)

    def test_another_task_is_unknown(self):
        with pytest.raises(PlanError, match="no exchange 'encrypted-scor' in this release"):
            find_program(self.exchange(task=Task("encrypted-scor")))

    def test_other_code_is_refused(self):
        code = replace(self.exchange().code, digest=bytes(32))
        with pytest.raises(PlanError, match="install what the plan names"):
            find_program(self.exchange(code=code))

    def test_other_settings_are_refused(self):
        settings = dict(self.exchange().task.read())
        with pytest.raises(PlanError, match="unknown key 'more'; known here: bound"):
            find_program(self.exchange(task=Task.of("encrypted-score", **settings, more=1)))
        with pytest.raises(PlanError, match="declares other messages or settings"):
            find_program(self.exchange(task=Task.of("encrypted-score", **settings | {"rows": 1})))

    def test_other_messages_are_refused(self):
        messages = self.exchange().messages
        larger = replace(messages[-1], max_bytes=messages[-1].max_bytes + 1)
        with pytest.raises(PlanError, match="declares other messages"):
            find_program(self.exchange(messages=(*messages[:-1], larger)))

    def test_other_roles_are_refused(self):
        roles = tuple(replace(r, name=r.name + "s") for r in self.exchange().roles)
        messages = tuple(
            replace(
                m, sender=m.sender + "s", receiver=m.receiver + "s", key=m.key + "s",
                of=[role + "s" for role in m.of],
            )
            for m in self.exchange().messages
        )  # fmt: skip
        with pytest.raises(PlanError, match="has the roles owners, evaluators"):
            find_program(self.exchange(roles=roles, messages=messages))

    def test_an_exchange_is_found_by_its_name(self):
        plan = plan_of(declared())
        assert find_exchange(plan, "scoring") == plan.stage
        with pytest.raises(PlanError, match=r"no exchange 'other' .* are scoring"):
            find_exchange(plan, "other")
        both = replace(plan, stages=(plan.stage, replace(plan.stage, name="again")))
        with pytest.raises(PlanError, match="2 exchanges, and none named"):
            find_exchange(both)

    def test_a_plan_that_shows_the_rows_cannot_be_made(self):
        messages = [m for m in self.exchange().messages if m.form is not MessageForm.CIPHERTEXT]
        shown = replace(
            self.exchange().messages[2], form=MessageForm.PLAINTEXT, key=None, name="shown"
        )
        with pytest.raises(PlanError, match="'bureau' can read 'shown'"):
            replace(
                plan_of(declared()),
                stages=(self.exchange(messages=(*messages, shown)),),
                threat=Threat(confidentiality=Adversary(coordinator=Corruption.HONEST)),
            )


class TestInputs:
    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            (ROWS[:1], r"rows of shape \(1, 3\)"),
            (ROWS[:, :2], "bring"),
            ("rows", "values that are not numbers"),
            (np.where(ROWS > 0.7, np.nan, ROWS), "column 'income' has a number that is missing"),
            (np.where(ROWS == 1.0, 1.0625, ROWS), "column 'debt' .* declared bound of 1:"),
            (pd.DataFrame({"income": [1.0, 1.0]}), "lack the column 'debt'"),
        ],
    )
    def test_rows_that_do_not_fit(self, rows, said):
        with pytest.raises(DataError, match=said) as error:
            run(declared(), rows)
        assert "1.0625" not in str(error.value)

    @pytest.mark.parametrize(
        ("model", "said"),
        [
            ([1, 2, 3], "brings a list, not a ScoreModel"),
            (ScoreModel.of([1.0]), "weights of shape"),
            (ScoreModel.of([1.0, 1.0, 1.0625]), "weight_bound of 1"),
            (ScoreModel.of([1.0, 1.0, 1.0], intercept=float("nan")), "is missing or beyond"),
        ],
    )
    def test_models_that_do_not_fit(self, model, said):
        with pytest.raises(DataError, match=said) as error:
            run(declared(), model=model)
        assert "1.0625" not in str(error.value)

    @pytest.mark.parametrize(
        ("column", "said"),
        [
            (["0.5", "0.625"], "column 'debt' holds values of type str"),
            (["0.5", 0.625], "column 'debt' holds values of type str"),
            (pd.array([1, None], dtype="Int64"), "column 'debt' has a number that is missing"),
            ([0.5, None], "column 'debt' (holds a NoneType|has a number that is missing)"),
            (pd.to_datetime(["2020-06-25", "2020-06-26"]), "column 'debt' holds values of type"),
            ([0.5, 0.625j], "column 'debt' holds values of type complex"),
        ],
    )
    @pytest.mark.parametrize("frame", [dict, pd.DataFrame])
    def test_what_is_no_number_is_named_by_its_column(self, frame, column, said):
        rows = frame({"income": [0.5, 0.25], "debt": column, "age": [1, 0]})
        with pytest.raises(DataError, match=said) as error:
            run(declared(), rows)
        assert "625" not in str(error.value)

    def test_a_map_of_columns_is_a_table(self):
        (found,) = run(declared(), dict(zip(COLUMNS, ROWS.T, strict=True))).results[OWNER]
        assert np.abs(found - declared().in_clear(MODEL, ROWS)).max() <= declared().error

    def test_a_model_as_scikit_learn_holds_it(self):
        made = ScoreModel.of([MODEL.weights], [MODEL.intercept])
        assert made.weights.tolist() == MODEL.weights.tolist()
        assert made.intercept == MODEL.intercept

    @pytest.mark.parametrize(
        ("weights", "intercept", "said"),
        [
            (["0.625"], 0, "the vector of weights holds values of type str"),
            ([0.5], "0.625", "the intercept holds values of type str"),
            ([[0.5], [0.625]], 0, r"weights of shape \(2, 1\)"),
            ([0.5], [0.5, 0.625], r"an intercept of shape \(2,\)"),
        ],
    )
    def test_what_is_no_model(self, weights, intercept, said):
        with pytest.raises(DataError, match=said) as error:
            ScoreModel.of(weights, intercept)
        assert "625" not in str(error.value)

    def test_names_that_hold_no_role(self):
        plan = plan_of(declared())
        with pytest.raises(DataError, match="'bureau' holds the role 'evaluator' and has no input"):
            run_exchange(plan, {OWNER: ROWS})
        with pytest.raises(DataError, match="an input of 'other'"):
            run_exchange(plan, {OWNER: ROWS, EVALUATOR: MODEL, "other": 1})
        with pytest.raises(DataError, match="an account of 'other'"):
            run(declared(), accounts={"other": None})

    def test_no_weights_in_a_repr(self):
        assert "0.75" not in repr(MODEL)


def contents(data):
    _, _, payload, _ = canonical.decode(data, 1 << 26)
    return canonical.decode(payload, 1 << 26)["content"]


class TestWhatTheEvaluatorSees:
    def test_no_secret_key_in_what_it_receives(self):
        table = Table().asked()
        secret = table.owner_part._secret
        assert set(table.sent) == {"public-key", "evaluation-keys", "rows"}
        kept = canonical.decode(he.export_secret_key(secret), 1 << 20)["coefficients"]
        received = b"".join(table.sent.values())
        signs = np.frombuffer(kept, np.int8).astype(np.int64) - 1
        for form in (kept, signs.astype(np.int8).tobytes(), signs.tobytes()):
            assert len(form) >= 8192
            assert form[:64] not in received

    def test_no_numbers_in_what_it_receives(self):
        """Half of the bytes of a row's ciphertext are residues; the same row gives others."""
        both = [Table().asked() for _ in range(2)]
        one, other = (contents(table.sent["rows"]) for table in both)
        assert ROWS.tobytes() not in one
        context = declared().context
        shape = (2, 3)
        first, second = (
            he.read_table(content, context, most_shape=shape).columns[0].blocks[0].data[0]
            for content in (one, other)
        )
        assert (first == second).mean() < 0.001

    def test_what_it_holds_does_not_open_with_a_key_of_its_own(self):
        """It makes a secret key and calls it by the owner's identifier."""
        table = Table().asked()
        context = declared().context
        sealed = he.read_table(contents(table.sent["rows"]), context, most_shape=(2, 3))
        own = he.SecretKey(context)
        own.key_id = sealed.columns[0].blocks[0].key_id
        guessed = he.decrypt_private(own, sealed)
        assert np.abs(guessed).min() > 100


class TestAttacks:
    """A lying evaluator signs what it likes; what it gets is an error at the owner."""

    def forged(self, content, table):
        table.evaluator_part.make = lambda name: content
        return table.answer()

    def refuse(self, content, error, match, table=None):
        table = table or Table().asked()
        data = self.forged(content, table)
        with pytest.raises(error, match=match):
            table.owner.receive(data)
        assert not table.owner.done

    def test_an_answer_of_an_earlier_round(self):
        scoring = declared(rows=1, rounds=2)
        old = Table(scoring, 0).asked()
        replayed = contents(old.answer())
        self.refuse(replayed, EncryptionError, "under key", Table(scoring, 1).asked())

    def test_an_answer_of_an_earlier_round_under_the_new_keys_name(self):
        scoring = declared(rows=1, rounds=2)
        replayed = canonical.decode(contents(Table(scoring, 0).asked().answer()), 1 << 26)
        table = Table(scoring, 1).asked()
        (block,) = replayed["blocks"]
        renamed = canonical.decode(block, 1 << 26) | {"key": table.owner_part._secret.key_id}
        content = canonical.encode(replayed | {"blocks": [canonical.encode(renamed)]})
        self.refuse(content, VerificationError, "no model within the declared bounds", table)

    def test_an_answer_in_another_ring(self):
        other = declared(precision=1e-2)
        assert other.planned.parameters != declared().planned.parameters
        content = contents(Table(other).asked().answer())
        self.refuse(content, EncryptionError, "of other parameters")

    def test_fewer_scores_than_rows(self):
        table = Table().asked()
        context = declared().context
        short = he.encrypt(table.owner_part._secret, [0.0], level=0)
        self.refuse(
            he.write(short, context),
            ProtocolError,
            "differ from the declaration in their number",
            table,
        )

    def test_an_input_sent_back_as_the_scores(self):
        """A column of the rows is a fresh ciphertext, at the top level: it is no result."""
        table = Table().asked()
        sealed = he.read_table(contents(table.sent["rows"]), declared().context, most_shape=(2, 3))
        content = he.write(sealed.columns[0], declared().context)
        self.refuse(content, ConfideError, "level|bytes", table)

    def test_scores_beyond_every_bound(self):
        table = Table().asked()
        content = he.write(
            he.encrypt(table.owner_part._secret.public_key(), [99.0, 0.0], level=0),
            declared().context,
        )
        self.refuse(content, VerificationError, "They are not used", table)

    def test_scores_within_the_bounds_are_believed_as_the_findings_say(self):
        table = Table().asked()
        public = table.evaluator_part._public
        false = he.write(he.encrypt(public, [1.0, -1.0], level=0), declared().context)
        table.owner.receive(self.forged(false, table))
        assert np.abs(table.owner.result - [1.0, -1.0]).max() < 0.01
        (found,) = [f for f in table.plan.findings if f.attack == "false result"]
        assert found.outcome.value == "reported"

    @pytest.mark.parametrize("content", [b"", b"\x00", canonical.encode({"kind": "vector"})])
    def test_hostile_bytes(self, content):
        self.refuse(content, ProtocolError, ".")

    def test_the_owner_learns_the_model_as_the_findings_say(self):
        """As many scores as the model has numbers are linear equations for them."""
        scoring = declared(rows=4)
        rows = np.vstack([np.zeros(3), np.eye(3)])
        (scores,) = run(scoring, rows).results[OWNER]
        equations = np.column_stack([rows, np.ones(4)])
        found = np.linalg.solve(equations, scores)
        assert np.abs(found - [*MODEL.weights, MODEL.intercept]).max() < 2 * scoring.error
        (said,) = [f for f in plan_of(scoring).findings if f.attack == "model from its results"]
        assert "learns 4 results" in said.reason
        assert "(4 numbers)" in said.reason


class TestALyingOwner:
    def test_keys_for_more_than_declared(self):
        table = Table()
        secret = table.owner_part._secret
        more = he.write(secret.evaluation_keys(rotations=[1]), declared().context)
        original = table.owner_part.make
        table.owner_part.make = lambda n: more if n == "evaluation-keys" else original(n)
        with pytest.raises(ProtocolError):
            table.asked()

    def test_rows_under_another_key(self):
        table = Table()
        other = he.SecretKey(declared().context)
        rows = he.write(he.encrypt_columns(other, ROWS, bound=declared().bound), declared().context)
        original = table.owner_part.make
        table.owner_part.make = lambda n: rows if n == "rows" else original(n)
        with pytest.raises(EncryptionError, match="under key"):
            table.asked().answer()

    def test_fewer_rows_than_declared(self):
        table = Table()
        rows = he.write(
            he.encrypt_columns(table.owner_part._secret, ROWS[:1], bound=declared().bound),
            declared().context,
        )
        original = table.owner_part.make
        table.owner_part.make = lambda n: rows if n == "rows" else original(n)
        with pytest.raises(ProtocolError, match=r"rows of shape \(1, 3\)"):
            table.asked()

    @pytest.mark.parametrize("factor", [None, 2.0])
    def test_rows_that_were_not_checked_against_the_bound(self, factor):
        table = Table()
        bound = None if factor is None else factor * declared().bound
        sealed = he.encrypt_columns(table.owner_part._secret, ROWS, bound=bound)
        rows = he.write(sealed, declared().context)
        original = table.owner_part.make
        table.owner_part.make = lambda n: rows if n == "rows" else original(n)
        with pytest.raises(ProtocolError, match="not checked against the declared bound"):
            table.asked()

    def test_nothing_is_computed_before_the_rows_are_there(self):
        part = declared().part("evaluator", MODEL, 0)
        with pytest.raises(ProtocolError, match="before keys and rows"):
            part.make("scores")
