"""A plan of sums and an exchange: one hash, one run."""

import numpy as np
import pytest
from tests.runtime.liar import NAMES, drift, rows

from confide.engines import simulate
from confide.errors import DataError
from confide.exchange import EncryptedScore, ScoreModel
from confide.plan import Party, Plan, Stage

SCORING = EncryptedScore(columns=("income", "debt"), precision=1e-3)
INPUTS = {NAMES[0]: [[0.8, 0.4]], NAMES[1]: ScoreModel.of([0.5, -0.25], intercept=0.1)}


def plan_of(*order):
    made: dict[str, Stage] = {
        "sums": drift().stage(name="sums", rounds=2, budget=0.5),
        "again": drift().stage(name="again", budget=0.5),
        "score": SCORING.stage(owner=NAMES[0], evaluator=NAMES[1], name="score"),
    }
    parties = tuple(map(Party.simulation, NAMES))
    return Plan(name="mixed", parties=parties, stages=tuple(made[name] for name in order))


@pytest.mark.parametrize(
    "order", [("sums", "score", "again"), ("score", "sums", "again"), ("sums", "again", "score")]
)
def test_runs_in_the_order_of_its_stages(order):
    plan = plan_of(*order)
    run = simulate(plan, rows(), computation=[drift(), drift()], exchanges={"score": INPUTS})
    assert len(run.history) == 3
    assert run.history["survivors"].eq(len(NAMES)).all()
    assert run.exchanges["score"].results[NAMES[0]][0].round(2).tolist() == [0.4]
    alone = simulate(plan_of("sums", "again"), rows(), computation=[drift(), drift()])
    np.testing.assert_allclose(run.state["w"], alone.state["w"], atol=0.1)


def test_takes_what_is_brought_to_each_exchange():
    with pytest.raises(DataError, match="is an exchange without inputs"):
        simulate(plan_of("sums", "score", "again"), rows(), computation=[drift(), drift()])
    with pytest.raises(DataError, match="did you mean 'score'"):
        simulate(
            plan_of("sums", "score", "again"),
            rows(),
            computation=[drift(), drift()],
            exchanges={"scores": INPUTS},
        )
