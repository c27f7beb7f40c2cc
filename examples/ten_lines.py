"""The README's ten lines: four clinics train one model, each record private at ε = 3.

Run it: python examples/ten_lines.py
"""

import numpy as np

import confide as cf

rng = np.random.default_rng(0)
rows = {n: rng.normal(60, 10, size=(2, 400)) for n in ("east", "north", "south", "west")}
data = {n: {"age": a, "dose": d, "cured": a > d} for n, (a, d) in rows.items()}

result = cf.train("logistic", data, label="cured", privacy=cf.Epsilon(3.0))
print(result.verdicts)  # what is guaranteed of each record and each party
print(result.model.predict({"age": [80, 40], "dose": [40, 80]}))
