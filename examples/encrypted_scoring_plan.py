"""A bureau scores a bank's customers that it cannot read, with a model that the bank never gets.

The plan declares each message; its report says who sees what before anything runs.

Run it: python examples/encrypted_scoring_plan.py
"""

import numpy as np

from confide.exchange import EncryptedScore, ScoreModel, estimate_exchange, run_exchange
from confide.report import views

# What both agree on: the columns, how large numbers and weights may be, how precise a score is.
scoring = EncryptedScore(
    columns=("income", "debt", "age", "late_payments"),
    bound=1.0,
    weight_bound=1.0,
    link="logistic",
    rows=3,
    precision=0.01,
)
plan = scoring.plan(owner="bank", evaluator="bureau")

report = views(plan)
print(report.promise)
for finding in report.findings:
    print(f"{finding.outcome.value.upper()}: {finding.attack}")

cost = estimate_exchange(plan)
print(f"at most {cost.total_bytes / 2**20:.0f} MiB in {len(cost.message_bytes)} messages")

# What each keeps: the bank its customers, the bureau its model.
customers = np.array([[0.8, 0.1, 0.4, 0.0], [0.2, 0.9, 0.3, 0.6], [0.5, 0.5, 0.5, 0.2]])
model = ScoreModel.of([0.9, -0.8, 0.2, -1.0], intercept=0.1)

run = run_exchange(plan, {"bank": customers, "bureau": model})

(scores,) = run.results["bank"]
print("the bank reads", scores.round(2), "and the bureau", run.results.get("bureau", "nothing"))
exact = scoring.in_clear(model, customers)
print("as precise as agreed:", bool(np.abs(scores - exact).max() <= scoring.precision))
