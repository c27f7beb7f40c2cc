# %% [markdown]
# # Three devices
#
# Three devices hold two numbers each: (1, 2), (3, 4) and (5, 6). They want to know the average of
# all six numbers, and no device wants to show its own.
#
# You will see a simple protocol leak, see why an average of averages is wrong, and then do both
# tasks with masked sums: an average and an exact median. The last step does it in one line.

# %%
import matplotlib.pyplot as plt
import numpy as np

import confide as cf
from confide.aggregation import decode
from confide.demo.received import contribution_as_received

DEVICES = {
    "device-1": np.array([1.0, 2.0]),
    "device-2": np.array([3.0, 4.0]),
    "device-3": np.array([5.0, 6.0]),
}
EVERYTHING = np.concatenate(list(DEVICES.values()))
print("the average of all numbers is", EVERYTHING.mean())

# %% [markdown]
# ## 1. The attack: averages that are passed on
#
# Each device adds its own average to what it was handed, and hands the result on. The last device
# divides by three. Nobody sends a number of its own. Is that private?


# %%
def pass_on(devices):
    """The last device's result, and what each device was handed."""
    running, handed = 0.0, {}
    for name, values in devices.items():
        handed[name] = running
        running += values.mean()
    return running / len(devices), handed


average, handed = pass_on(DEVICES)
print("result:", average)
for name, value in handed.items():
    print(f"{name} was handed {value}")

# %% [markdown]
# **Exercise 1.** `device-2` keeps what it was handed. `device-3` keeps what it was handed too, and
# the two talk to each other. Compute the average of `device-1` and the average of `device-2` from
# what was handed on.

# %% tags=["exercise"]
average_of_1 = None
average_of_2 = None

# %% tags=["solution"]
average_of_1 = handed["device-2"]
average_of_2 = handed["device-3"] - handed["device-2"]

# %% tags=["check"]
assert average_of_1 == DEVICES["device-1"].mean(), "what was device-2 handed, and by whom?"
assert average_of_2 == DEVICES["device-2"].mean(), "what did device-2 add to what it was handed?"

# %% [markdown]
# The first handover shows an average exactly, and two devices that talk find the third one's. With
# one number per device that average *is* the number.
#
# ## 2. An average of averages is wrong
#
# So far all devices had two numbers. Now they have one, two and four.

# %%
UNEQUAL = {
    "device-1": np.array([1.0]),
    "device-2": np.array([3.0, 4.0]),
    "device-3": np.array([5.0, 6.0, 7.0, 8.0]),
}
pooled = np.concatenate(list(UNEQUAL.values()))
of_averages = pass_on(UNEQUAL)[0]

fig, axes = plt.subplots(figsize=(7, 2.6), layout="constrained")
for row, values in enumerate(UNEQUAL.values()):
    axes.scatter(values, np.full(len(values), row), s=70, color="#2457a6")
    axes.scatter(values.mean(), row, marker="|", s=500, color="#9aa5b5")
axes.axvline(pooled.mean(), color="#1d7a4c", label=f"average of all numbers {pooled.mean():.2f}")
axes.axvline(of_averages, color="#b3261e", ls="--", label=f"average of averages {of_averages:.2f}")
axes.set_yticks(range(3), list(UNEQUAL))
axes.set(xlabel="value", ylim=(-0.6, 2.6))
axes.legend(loc="upper left", frameon=False, bbox_to_anchor=(1.0, 1.0))
plt.show()

# %% [markdown]
# The one number of `device-1` counts as much as the four of `device-3`. The median is worse: the
# median of the medians has no meaning at all.
#
# **Exercise 2.** Which two *sums* over all devices give the right average for any sizes? Write down
# what one device contributes.


# %% tags=["exercise"]
def contribution_of(values):
    """Two numbers of one device."""
    return None, None


# %% tags=["solution"]
def contribution_of(values):
    """Two numbers of one device."""
    return values.sum(), len(values)


# %% tags=["check"]
totals = [contribution_of(values) for values in UNEQUAL.values()]
total, count = (sum(parts) for parts in zip(*totals, strict=True))
assert total / count == pooled.mean()

# %% [markdown]
# ## 3. Masked sums
#
# A *bounded sum* is declared before anything runs: what one value can move, and how many values a
# device counts at most. Everything that leaves a device is a contribution to such a sum.


# %%
def contribute(state, data, rng):
    """Runs at each device: one row for each of its values."""
    return {"total": data["value"], "count": np.ones(len(data["value"]))}


def update(state, totals):
    """Runs everywhere, on the opened sums."""
    return {"mean": totals["total"] / totals["count"]}


mean = cf.Computation(
    task=cf.Task.of("mean"),
    sums=cf.SumGroup(
        (
            cf.Sum(name="total", unit_bound=8, capacity=100, meaning="sum of all values"),
            cf.Sum(name="count", unit_bound=1, capacity=100, meaning="number of values"),
        )
    ),
    columns=("value",),
    init=dict,
    contribute=contribute,
    update=update,
)
trusting = cf.Threat(
    confidentiality=cf.Adversary(
        coordinator=cf.Corruption.HONEST, network=cf.Corruption.CURIOUS, colluding_parties=0
    )
)
in_clear = mean.plan(parties=list(UNEQUAL), dropouts=0, aggregation=cf.Clear(), threat=trusting)
masked = mean.plan(parties=list(UNEQUAL), dropouts=0, aggregation=cf.Masked())
data = {name: {"value": values} for name, values in UNEQUAL.items()}
for plan in (in_clear, masked):
    print(plan.aggregation, cf.simulate(plan, data, computation=mean).state["mean"])

# %% [markdown]
# The same sum, bit for bit. What did the server hold in its hands? Here are the real messages of
# `device-1`, whose only value is 1: in clear, and masked five times.

# %%
seen = contribution_as_received(in_clear, data, "device-1", mean)
print("in clear:", {name: float(value) for name, value in seen.items()})
again = [contribution_as_received(masked, data, "device-1", mean) for _ in range(5)]
for received in again:
    print("masked:  ", {name: round(float(value), 2) for name, value in received.items()})

# %%
fig, (left, right) = plt.subplots(1, 2, figsize=(9, 2.9), layout="constrained")
for name in UNEQUAL:
    point = contribution_as_received(in_clear, data, name, mean)
    left.scatter(float(point["total"]), float(point["count"]), s=60, color="#b3261e")
    left.annotate(name, (float(point["total"]) + 0.8, float(point["count"])), va="center")
left.set(title="in clear: sum and number of values", xlabel="total", ylabel="count")
left.set(xlim=(0, 34), ylim=(0, 5))
many = [contribution_as_received(masked, data, "device-1", mean) for _ in range(60)]
right.scatter(
    [float(m["total"]) for m in many], [float(m["count"]) for m in many], s=14, color="#1d7a4c"
)
right.set(title="device-1 masked, 60 runs", xlabel="total", ylabel="count")
right.set_xticks([-4000, -2000, 0, 2000, 4000])
plt.show()

# %% [markdown]
# Masked, each message is uniformly distributed: the masks of each pair of devices cancel only when
# all three messages are added. `confide` says this before anything runs:

# %%
print(cf.views(masked).promise)
for name in ("coordinator", "device-2"):
    print(f"\n{name} observes")
    for observation in cf.views(masked).view(name).observations:
        print(f"  {observation.value}: {observation.form}")

# %% [markdown]
# ## 4. An exact median by bisection
#
# A median is no sum. But *how many values are at most t* is one. Everybody knows that values lie
# between 0 and 8, so we ask for the middle, and then go on in the half that must hold the median.
# Each round opens one count over all devices.
#
# **Exercise 3.** `low` and `high` enclose the median. `below` is how many of all `n` values are at
# most `middle`. Give the next `low` and `high`, so that in the end both are the smallest value `v`
# for which at least half of all values are at most `v`.


# %% tags=["exercise"]
def halve(low, high, middle, below, n):
    """The next low and high, in steps of 1/16."""
    return low, high


# %% tags=["solution"]
def halve(low, high, middle, below, n):
    """The next low and high, in steps of 1/16."""
    if below >= n / 2:
        return low, middle
    return middle + 1 / 16, high


# %% tags=["check"]
low, high = 0.0, 8.0
for _ in range(8):
    middle = np.floor((low + high) / 2 * 16) / 16
    low, high = halve(low, high, middle, int((pooled <= middle).sum()), len(pooled))
assert low == high == np.median(pooled) == 5.0

# %% [markdown]
# The same as a federated computation. The state, which everybody knows, holds `low` and `high`; a
# device contributes 1 for each value that is at most the middle.


# %%
def middle_of(state):
    return np.floor((state["low"] + state["high"]) / 2 * 16) / 16


def count_below(state, data, rng):
    return {"below": (data["value"] <= middle_of(state)) * 1.0, "n": np.ones(len(data["value"]))}


def go_on(state, totals):
    middle = middle_of(state)
    low, high = halve(state["low"], state["high"], middle, totals["below"], totals["n"])
    asked = np.append(state["asked"][1:], middle)
    return {"low": np.array(low), "high": np.array(high), "asked": asked}


median = cf.Computation(
    task=cf.Task.of("median"),
    sums=cf.SumGroup(
        (
            cf.Sum(name="below", unit_bound=1, capacity=100, meaning="values up to the middle"),
            cf.Sum(name="n", unit_bound=1, capacity=100, meaning="number of values"),
        )
    ),
    columns=("value",),
    init=lambda: {"low": np.array(0.0), "high": np.array(8.0), "asked": np.zeros(8)},
    contribute=count_below,
    update=go_on,
)
plan = median.plan(parties=list(UNEQUAL), rounds=8, dropouts=0, aggregation=cf.Masked())
run = cf.simulate(plan, data, computation=median)
print("median by bisection:", run.state["low"], " numpy on all values:", np.median(pooled))

# %%
fig, axes = plt.subplots(figsize=(7, 2.8), layout="constrained")
axes.plot(range(1, 9), run.state["asked"], marker="o", color="#2457a6", label="asked for")
axes.axhline(np.median(pooled), color="#1d7a4c", lw=1, label="median of all values")
axes.set(xlabel="round", ylabel="value", ylim=(0, 8), title="Eight counts find the median")
axes.legend(frameon=False)
plt.show()

# %% [markdown]
# `confide` has this ready. One line asks for the mean, the median and more, over the same masked
# sums; only the bounds and the resolution are declared, because everybody knows them.

# %%
found = cf.describe(
    data, columns={"value": cf.Number(bounds=(0, 8))}, resolution={"value": 1 / 16}, capacity=100
)
found.table[["count", "mean", "std", "50%"]]

# %% [markdown]
# ## 5. What is still told
#
# The server saw eight counts and no value of a device. But the counts are exact, and exact sums
# tell something: if all devices but one compare what they hold with the result, they learn the sum
# of the last one's values.
#
# **Exercise 4.** `device-1` and `device-3` talk to each other after a masked average of `UNEQUAL`.
# What is the sum of the values of `device-2`? `decode(plan.sums, run.totals[0].totals)` gives the
# opened sums of a run's first round by name.

# %% tags=["exercise"]
sum_of_2 = None

# %% tags=["solution"]
run = cf.simulate(masked, data, computation=mean)
released = decode(masked.sums, run.totals[0].totals)
sum_of_2 = released["total"] - UNEQUAL["device-1"].sum() - UNEQUAL["device-3"].sum()

# %% tags=["check"]
assert np.isclose(sum_of_2, UNEQUAL["device-2"].sum())

# %% [markdown]
# No masking stops that, because it follows from the result itself. What stops it is *noise* in the
# result, so that no single value shows: `privacy=cf.Epsilon(…)` in the next lab, and
# `confide.views(plan)` says which of the two you have.
