"""A longer example: five clinics train one model; one misses the first round and stays out.

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
model = cf.GeneralisedLinearModel(family=cf.families.Bernoulli(), n_features=2)
training = cf.fed_avg(model, table, weight_cap=500, clip_norm_l2=2.0)

# The coordinator may lie, and one clinic may tell it what it sees. So the crowd is fixed: a clinic
# that misses the first round stays out, and no difference of two rounds is what one contributed.
plan = training.plan(
    parties=list(data),
    rounds=10,
    dropouts=1,
    crowd=cf.FixedCrowd(),
    aggregation=cf.Masked(),
    threat=cf.Threat(confidentiality=cf.Adversary(parties=cf.Corruption.CURIOUS)),
)
report = cf.views(plan)
print(report.promise)
for seen in report.view("coordinator").observations:
    print(f"- the coordinator sees {seen.value}: {seen.form}")

run = cf.simulate(plan, data, drops=[cf.Drop("east", first_round=0)])
print(run.history.loc[0:2, ["survivors", "bytes_sent_per_party"]])
print("weights:", cf.fitted_estimator(run.plan, run.state).coef_.round(2))
