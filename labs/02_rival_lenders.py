# %% [markdown]
# # Rival lenders
#
# Four lenders have applications for mortgages, real ones from Boston. Together they could learn
# better whom to approve. But they are rivals: none shows its applications, and none trusts the
# others to forget what they see.
#
# You will read each lender's approval rate from an update it sent, and see masked sums stop that.
# You will find one applicant in exact sums, and see noise stop that. It works with your own data
# too: only the next cell names these.

# %%
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

import confide as cf
from confide.demo.lenders import load_market
from confide.errors import PrivacyBudgetError

BLUE, RED, GREEN, GREY = "#2457a6", "#b3261e", "#1d7a4c", "#9aa5b5"
market = load_market(0)
NAMES = ("birch", "cedar", "dogwood", "elm")
COLUMNS = ["obrat", "loanprc", "chist", "pubrec", "unver", "approve"]
lenders = {name: market.lenders[name][COLUMNS] for name in NAMES}
new = market.hold_out[COLUMNS]
for name, table in lenders.items():
    print(f"{name:8} {len(table):4} applications, {table['approve'].mean():.0%} approved")

# %% [markdown]
# `obrat` is what part of income goes to debts, `loanprc` the loan by the price, `chist` whether all
# accounts are in order, `pubrec` a public record of bankruptcy, `unver` whether something could not
# be verified. In your own data these are whatever columns all owners have: files or frames.
#
# ## 1. The attack: what one update says
#
# In plain federated learning each lender sends its gradient, and the server adds them up. At the
# start the model says 1/2 for everybody, so the gradient of the intercept is the sum of
# (1/2 − approved) over the lender's applications.


# %%
def update_of(table):
    """A lender's first gradient of the intercept, and its number of rows: what it sends."""
    return float((0.5 - table["approve"]).sum()), len(table)


sent = {name: update_of(table) for name, table in lenders.items()}
print(sent)

# %% [markdown]
# **Exercise 1.** You are the server. Compute the approval rate of each lender from what it sent.

# %% tags=["exercise"]
rates = dict.fromkeys(NAMES)

# %% tags=["solution"]
rates = {name: 0.5 - gradient / rows for name, (gradient, rows) in sent.items()}

# %% tags=["check"]
assert all(np.isclose(rates[name], lenders[name]["approve"].mean()) for name in NAMES)

# %% [markdown]
# A rival's approval rate and number of customers, from two numbers. The whole gradient tells more.
#
# ## 2. The door: masked sums
#
# `cf.train` makes an ordinary plan and runs it by the real protocol. Each lender's contribution is
# masked; only the sum over all lenders can be opened.

# %%
result = cf.train("logistic", lenders, label="approve")
print(result)
print(result.verdicts)

# %%
result.plot()

# %% [markdown]
# Before anything ran, the plan said who would learn what. This is what everybody sees:

# %%
views = cf.views(result.plan)
print(views.promise)
for observation in views.view("coordinator").observations:
    print(f"  {observation.value}: {observation.form}")

# %% [markdown]
# The model is that of all applications in one table, which no lender has:


# %%
def auc_of(model):
    """The area under the curve on applications that nobody trained on."""
    return roc_auc_score(new["approve"], model.predict_proba(new)[:, 1])


def alone(table):
    """A lender's model of its own applications."""
    features = COLUMNS[:-1]
    made = LogisticRegression(max_iter=1000).fit(table[features], table["approve"])
    return roc_auc_score(new["approve"], made.predict_proba(new[features])[:, 1])


own = {name: alone(table) for name, table in lenders.items()}
pooled = alone(pd.concat(lenders.values()))
fig, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
bars = axes.barh(
    [*NAMES, "masked together", "all in one table"],
    [*own.values(), auc_of(result.model), pooled],
    color=[GREY] * 4 + [GREEN, BLUE],
)
axes.bar_label(bars, fmt="%.3f", padding=3)
axes.set(xlim=(0.5, 0.9), xlabel="AUC on new applications")
axes.invert_yaxis()
plt.show()

# %% [markdown]
# ## 3. The attack on exact sums
#
# Masks hide each lender. They do not hide a record from what is *released*: an exact sum over all
# lenders. Suppose that `elm` is asked to train again, and everything is the same but one applicant,
# who has withdrawn.

# %%
withdrawn = lenders["elm"].iloc[[17]]
without = {**lenders, "elm": lenders["elm"].drop(index=lenders["elm"].index[17])}


def rows_and_approved(tables):
    """Two exact sums over all lenders, which everybody sees."""
    together = pd.concat(tables.values())
    return len(together), int(together["approve"].sum())


before, after = rows_and_approved(lenders), rows_and_approved(without)
print("released before:", before, " after:", after)

# %% [markdown]
# **Exercise 2.** Was the applicant who withdrew approved (1) or not (0)? Use what was released.

# %% tags=["exercise"]
approved = None

# %% tags=["solution"]
approved = before[1] - after[1]

# %% tags=["check"]
assert approved == withdrawn["approve"].item()

# %% [markdown]
# ## 4. Noise: differential privacy
#
# With `privacy=cf.Epsilon(…)` each lender adds its share of noise before it masks. What is
# released is then nearly as likely with the applicant as without. How nearly is ε. Columns' scales,
# the model and its metrics share one ε.

# %%
private = cf.train("logistic", lenders, label="approve", privacy=cf.Epsilon(3.0))
print(private.verdicts)
print(f"AUC on new applications: exact {auc_of(result.model):.3f}, ", end="")
print(f"with noise {auc_of(private.model):.3f}")

# %% [markdown]
# The same attack on a count with noise: two hundred answers with the applicant and two hundred
# without. A single answer no longer tells which of the two it is from.

# %%
rng = np.random.default_rng(0)
EPSILON = 0.5
scale = 1 / EPSILON
released = [count + rng.laplace(0, scale, 200) for count in (before[1], before[1] - 1)]
fig, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
bins = np.arange(before[1] - 12, before[1] + 13)
for values, colour, name in zip(released, (RED, BLUE), ("with", "without"), strict=True):
    axes.hist(values, bins, color=colour, alpha=0.5, label=f"{name} one approved applicant")
axes.set(xlabel="number approved, with noise (ε = 0.5)", ylabel="answers")
axes.legend(frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# (These draws are from numpy, to make a picture. `confide` draws its noise exactly on integers and
# from the operating system's randomness.)
#
# **Exercise 3.** A guess that is right more often than ε allows would break the promise. With pure
# ε and two cases that are equally likely, how often is the best guess right at most? Give it as a
# function of ε.


# %% tags=["exercise"]
def best_guess(epsilon):
    """The largest chance of being right, between 1/2 and 1."""
    return epsilon


# %% tags=["solution"]
def best_guess(epsilon):
    """The largest chance of being right, between 1/2 and 1."""
    return np.exp(epsilon) / (1 + np.exp(epsilon))


# %% tags=["check"]
assert np.isclose(best_guess(0), 0.5)
assert np.isclose(best_guess(np.log(3)), 0.75)

# %%
threshold = before[1] - 0.5
guessed = (np.mean(released[0] > threshold) + np.mean(released[1] < threshold)) / 2
print(f"the best guess was right in {guessed:.0%}; at most {best_guess(EPSILON):.0%} on average")

# %% [markdown]
# ## 5. The ledger: ε adds up
#
# One run at ε = 3 is a promise about one run. So each lender keeps a ledger and sets a cap in it.
# Every run is charged before it begins, and one that the cap has no room for does not begin.

# %%
folder = TemporaryDirectory()
ledger = cf.Ledger.open(f"{folder.name}/elm.db")
ledger.open_dataset("applications")
ledger.cap("applications", cf.Cap(epsilon=4.5, delta=1e-5, filter=cf.Filter.GAUSSIAN))
account = {"elm": cf.Account(ledger, "applications")}
left = [1.0]
try:
    for run in range(10):
        cf.train(
            "logistic", lenders, label="approve", privacy=cf.Epsilon(3.0), rounds=3,
            name=f"run {run}", accounts=account,
        )  # fmt: skip
        left.append(ledger.remaining("applications")[0].fraction)
except PrivacyBudgetError as error:
    print(f"refused after {len(left) - 1} runs: {error}")

# %%
fig, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.step(range(len(left)), left, where="post", color=BLUE)
axes.scatter(range(len(left)), left, color=BLUE)
axes.set(xlabel="runs at ε = 3", ylabel="left of the cap", ylim=(-0.05, 1.05))
axes.set_xticks(range(len(left)))
axes.set_title("A cap of ε = 4.5 at one lender")
plt.show()

# %% [markdown]
# Two runs at ε = 3 fit a cap of ε = 4.5: noise adds up more slowly than ε does. The third is
# refused.
#
# **Exercise 4.** Gaussian noise is measured by μ, and μ² adds up: two runs of μ are one of √2 · μ.
# `1 - left[1]` is the share of the cap's μ² that one run uses. How many runs fit?

# %% tags=["exercise"]
fitting = None

# %% tags=["solution"]
fitting = int(1 / (1 - left[1]))

# %% tags=["check"]
assert fitting == len(left) - 1

# %% [markdown]
# ## 6. Keep the model, leave the data
#
# The model is one file that reads raw rows as they were read in training. Put your own files into
# the second cell, or use the command line: `confide train logistic --data north=north.csv … --label
# approved --epsilon 3 --out approval.confide`, and `confide predict approval.confide new.csv`.

# %%
private.save(f"{folder.name}/approval.confide")
model = cf.load_model(f"{folder.name}/approval.confide")
print(model)
print(pd.DataFrame({"chance of approval": model.predict_proba(new.head(4))[:, 1].round(2)}))
ledger.close()
folder.cleanup()
