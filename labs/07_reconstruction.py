# %% [markdown]
# # Reconstruction
#
# An office publishes sales by county, sales by line of business and the total. No firm is named.
# Yet a firm that is alone in its county and line may be read off these sums, and a firm that
# subtracts its own sales sees its rival's. You will do both, and recover secret bits from noisy
# answers. Then noise in proportion to what one firm can move ends it, and you will attack again.

# %%
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

import confide as cf
from confide.audit import attack_noise, audit_tables, plot_recovery
from confide.privacy.accounting import noise_multiplier
from confide.privacy.mechanisms import GaussianMechanism

RED, BLUE, GREEN, GREY = "#b3261e", "#2457a6", "#1d7a4c", "#9aa5b5"
COUNTIES = ["Ash", "Birch", "Cedar", "Dale", "Elm", "Fern", "Grove", "Holt"]
LINES = ["tools", "paint", "seeds", "boats"]

rng = np.random.default_rng(7)
where = [(county, line) for county in COUNTIES for line in LINES if rng.random() < 0.42]
where += [where[2], where[9]]  # two cells have a second firm
firms = pd.DataFrame(where, columns=["county", "line"])
firms["firm"] = [f"firm {number}" for number in range(len(firms))]
firms["sales"] = np.round(rng.lognormal(3.5, 0.8, len(firms))) + 5
firms.pivot_table("sales", "county", "line", "sum").reindex(columns=LINES)

# %% [markdown]
# This is what the office knows. Who operates where is public: shops have signs. The sales are not.
# This is what it publishes:

# %%
by_county = firms.groupby("county", as_index=False)["sales"].sum()
by_line = firms.groupby("line", as_index=False)["sales"].sum()
total = pd.DataFrame({"sales": [firms["sales"].sum()]})
published = {"county": by_county, "line": by_line, "total": total}
occupied = firms[["county", "line", "firm"]]  # public
print(by_county.to_string(index=False), by_line.to_string(index=False), sep="\n\n")

# %% [markdown]
# ## 1. The attack: alone, and by subtraction
#
# In some county there is one firm only. Its sales are printed.
#
# **Exercise 1.** Find all firms that are alone in their county, and their sales, from `by_county`
# and `occupied`. Give a dictionary from firm to sales.

# %% tags=["exercise"]
alone = {}

# %% tags=["solution"]
counts = occupied.groupby("county")["firm"].agg(["count", "first"])
sums = by_county.set_index("county")["sales"]
alone = {row["first"]: sums[county] for county, row in counts.iterrows() if row["count"] == 1}

# %% tags=["check"]
truth = firms.set_index("firm")["sales"]
lonely = firms[firms.groupby("county")["firm"].transform("count") == 1]["firm"]
assert set(alone) == set(lonely) != set()
assert all(alone[firm] == truth[firm] for firm in alone)

# %% [markdown]
# Subtract what you know from the sums, and others may be alone in what is left. In general the sums
# are linear equations, one unknown for each firm. A firm is given away exactly if the equations
# determine its unknown, and one more equation about it would say nothing new.
#
# **Exercise 2.** `sums_matrix` has a row for each published sum and a column for each firm, 1 where
# the firm counts. Say whether the sums determine firm number `place`, by `np.linalg.matrix_rank`.

# %%
sums_matrix = np.array([
    *[(occupied["county"] == county) for county in by_county["county"]],
    *[(occupied["line"] == line) for line in by_line["line"]],
]).astype(float)  # fmt: skip


# %% tags=["exercise"]
def is_determined(place):
    """Whether the published sums determine a firm's sales."""
    return False


# %% tags=["solution"]
def is_determined(place):
    """Whether the published sums determine a firm's sales."""
    about_it = np.eye(len(occupied))[place]
    more = np.vstack([sums_matrix, about_it])
    return np.linalg.matrix_rank(more) == np.linalg.matrix_rank(sums_matrix)


# %% tags=["check"]
audit = audit_tables(published, cells=occupied, value="sales")
assert [is_determined(p) for p in range(len(occupied))] == [c.how == "sums" for c in audit.cells]

# %% [markdown]
# `audit_tables` does it for 50,000 cells in seconds: counties and lines are the nodes of a graph,
# firms its edges, and a firm is determined exactly if its edge is a **bridge**. For all others it
# finds the least and the most that their sales can be.

# %%
print(audit)

# %%
# The middle of each interval is a guess of everybody's sales, made from public sums.
guess = pd.Series([cell.middle for cell in audit.cells], index=occupied["firm"])
assert all(guess[firm] == truth[firm] for firm in alone)
fig, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
audit.plot(axes=axes)
axes.set(xlabel="sales that a reader can infer", xlim=(0, 120))
plt.show()

# %% [markdown]
# ## 2. The insider
#
# Two firms share a cell. Nobody outside can divide their sum. Each of them can.
#
# **Exercise 3.** Two firms are alone together in a county. You are the first of them and know your
# own sales. What are the sales of the other? Use `by_county`.

# %%
size = occupied.groupby("county")["firm"].transform("count")
pair = firms[size == 2].groupby("county").head(2).iloc[:2]
me, rival = pair["firm"]
county, own = pair["county"].iloc[0], truth[me]
print(f"{me} and {rival} are the only firms in {county}; {me} sold {own:.0f}")

# %% tags=["exercise"]
rivals_sales = None

# %% tags=["solution"]
rivals_sales = by_county.set_index("county")["sales"][county] - own

# %% tags=["check"]
assert rivals_sales == truth[rival]

# %%
inside = audit_tables(published, cells=occupied, value="sales", insiders="firm")
learns = {insider.name: len(insider.learns) for insider in inside.insiders if insider.learns}
print(f"outsiders learn {len(inside.determined)} of {len(occupied)} firms exactly")
print(
    f"{len(learns)} firms learn more by subtracting their own sales; at most {max(learns.values())}"
)

# %% [markdown]
# This is why rivals may not see each other's sums, even under masks: a sum of two is the other one.
#
# ## 3. Noisy answers, many of them
#
# Add a little noise, then? Dinur and Nissim (2003): n people have a secret bit each, and somebody
# may ask how many of a set have it. Each answer is off by up to a bound. A linear program looks for
# bits that fit all answers.

# %%
found = attack_noise(96, [0.1, 0.3, 0.6, 1.0, 2.0, 4.0])
for recovery in found:
    print(f"off by up to {recovery.noise:g}·√n: {recovery.recovered:.0%} of the bits recovered")
fig, axes = plt.subplots(figsize=(6, 3), layout="constrained")
plot_recovery(found, axes)
plt.show()

# %% [markdown]
# A production system fell to this: Cohen and Nissim (2020) asked it some 3,500 questions and
# recovered every loan's status. `python -m benchmarks audit --data FOLDER` repeats it with its real
# answers. Noise must grow with the number of answers: that is what a budget is for.
#
# ## 4. Noise in proportion to what one firm can move
#
# Each firm counts with at most a public cap C. It counts in its county, its line and the total: in
# three sums.
#
# **Exercise 4.** One firm is added or removed. How far do the published sums move together, at
# most, in the L2 norm (the root of the sum of squares)? Give it as a function of the cap.


# %% tags=["exercise"]
def l2_sensitivity(cap):
    """How far one firm moves all published sums together."""
    return cap


# %% tags=["solution"]
def l2_sensitivity(cap):
    """How far one firm moves all published sums together."""
    return np.sqrt(3) * cap


# %% tags=["check"]
one = np.array([[1.0] for _ in range(3)]) * 80
assert np.isclose(l2_sensitivity(80), np.linalg.norm(one))

# %% [markdown]
# The ledger charges the release, then draws the noise. What is released is what was charged.

# %%
CAP = 80.0
labels = [*by_county["county"], *by_line["line"]]
mechanism = GaussianMechanism(
    noise_multiplier=noise_multiplier(epsilon=1.0, delta=1e-6),
    sensitivity=l2_sensitivity(CAP), size=len(labels) + 1,
)  # fmt: skip
clipped = np.minimum(firms["sales"], CAP)
exact = np.append(sums_matrix @ clipped, clipped.sum())
folder = TemporaryDirectory()
ledger = cf.Ledger.open(f"{folder.name}/office.db")
ledger.open_dataset("sales")
ledger.cap("sales", cf.Cap(epsilon=1.0, delta=1e-6))
release = ledger.release("sales", mechanism, exact, observers=["public"], meaning="sales")
deviation = release.standard_error
print(f"noise of standard deviation {deviation:.0f} on each sum")

# %% [markdown]
# ## 5. The attack again

# %%
cut = len(by_county)
noisy = {
    "county": by_county.assign(sales=release.value[:cut]),
    "line": by_line.assign(sales=release.value[cut:-1]),
    "total": pd.DataFrame({"sales": release.value[-1:]}),
}
after = audit_tables(noisy, cells=occupied, value="sales", deviation=deviation)
print(f"before: {len(audit.determined)} firms given away, after: {len(after.determined)}")
fig, axes = plt.subplots(figsize=(7, 4.6), layout="constrained")
audit.plot(after, axes)
axes.set(xlabel="sales that a reader can infer", xlim=(0, 900))
plt.show()

# %% [markdown]
# No firm is given away, and no insider learns more: the noise hides one firm even from somebody
# who knows all others. But the sums of so few firms are of little use now.
#
# ## 6. The more people, the less noise
#
# The noise depends on what *one* firm can move, not on how many there are. So beside a sum over
# many it is small.

# %%
number = np.array([3, 10, 30, 100, 300, 1000, 3000, 10_000])
average = clipped.mean()
relative = deviation / (number * average)
fig, axes = plt.subplots(figsize=(6, 3), layout="constrained")
axes.loglog(number, 100 * relative, "o-", color=BLUE)
axes.axhline(5, color=GREY, ls="--", lw=1)
axes.annotate("5 %", (number[0], 5), (0, 4), textcoords="offset points", color=GREY)
axes.set(xlabel="firms in a sum", ylabel="noise ÷ sum, %")
axes.xaxis.set_major_formatter("{x:,.0f}")
axes.yaxis.set_major_formatter("{x:g}")
plt.show()
enough = int(np.ceil(deviation / (0.05 * average)))
print(f"with {enough:,} firms in each sum the noise is 5 % of it")

# %% [markdown]
# So: publish sums over many, or with noise, or both; count what was published, because noise adds
# up less fast than answers do; and audit tables before they leave.
