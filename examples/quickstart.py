"""The README's example: five clinics train one model, and one of them drops out.

Run it: python examples/quickstart.py
"""

import numpy as np

import confide as cf

rng = np.random.default_rng(0)


def clinic(rows: int) -> dict[str, np.ndarray]:
    """Rows that never leave the clinic."""
    age, dose = rng.normal(size=(2, rows))
    return {"age": age, "dose": dose, "cured": rng.random(rows) < 1 / (1 + np.exp(dose - 2 * age))}


data = {name: clinic(300) for name in ("delta", "east", "harbour", "north", "west")}
table = cf.Table(features=("age", "dose"), label="cured")
model = cf.GeneralisedLinearModel(family=cf.Bernoulli(), n_features=2)
training = cf.fed_avg(model, table, weight_cap=500, clip_norm_l2=2.0)

plan = training.plan(
    parties=list(data), rounds=10, dropouts=1, crowd=cf.FixedCrowd(), aggregation=cf.Masked()
)
report = cf.views(plan)
print(report.promise)
for seen in report.view("coordinator").observations:
    print(f"- the coordinator sees {seen.value}: {seen.form}")

run = cf.simulate(plan, data, drops=[cf.Drop("east", first_round=0)])
print(run.history.loc[0:2, ["survivors", "dropped", "bytes_sent_per_party"]])
print("weights:", cf.fitted_estimator(run.plan, run.state).coef_.round(2))
