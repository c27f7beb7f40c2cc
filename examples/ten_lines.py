"""The README's ten lines: four clinics train one model, each record private at ε = 3.

Run it: python examples/ten_lines.py
"""

import numpy as np

import confide as cf

rng = np.random.default_rng(0)
rows = {n: rng.normal(size=(2, 400)) for n in ("east", "north", "south", "west")}
data = {n: {"age": a, "dose": d, "cured": a > d} for n, (a, d) in rows.items()}

table = cf.Table(features=("age", "dose"), label="cured")
model = cf.GeneralisedLinearModel(family=cf.families.Bernoulli(), n_features=2)
training = cf.fed_sgd(model, table, capacity=500, clip_norm_l2=1.0, learning_rate=2.0)
noise = cf.Calibrated(kind=cf.NoiseShares, epsilon=3.0, delta=1e-5)
threat = cf.Threat(confidentiality=cf.Adversary(parties=cf.Corruption.CURIOUS))
how = {"aggregation": cf.Masked(), "noise": noise, "threat": threat}
plan = training.plan(parties=list(data), rounds=10, dropouts=0, **how)
print(cf.views(plan).promise)  # who will learn what, before anything runs

run = cf.simulate(plan, data)
estimator = cf.fitted_estimator(run.plan, run.state)  # as scikit-learn's
