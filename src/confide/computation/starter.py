"""The plan file to begin with, and the list of all keys: generated from the declared fields."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from enum import Enum
from typing import Final

from confide.computation.planfile import STAGE_KEY, exchange_keys, stage_keys, top_keys
from confide.plan import Coordinator, Exchange, Sums
from confide.plan.fields import Key, Written, is_value, keys_of, meaning_of, members_of, word_of

__all__ = ["STARTER", "keys_in_markdown"]

_WIDTH: Final = 98

_VALUES: Final = {
    "name": '"my first federation"',
    "rounds": "20",
    "dropouts": "1",
    "crowd": '"fixed"',
    "aggregation": '"masked"',
    "threat.confidentiality.coordinator": '"malicious"',
    "threat.confidentiality.colluding_parties": "1",
    "threat.confidentiality.parties": '"curious"',
}
"""What the file to begin with sets; everything else it shows with its default, commented out."""

_NOTES: Final = {
    "crowd": 'With "fixed", a party that misses the first round stays out and a later loss ends '
    "the run, so that no difference of two rounds is what one party contributed. An open crowd "
    "needs noise, or a coordinator that is not malicious; noise per record does not hide a party.",
    "threat.confidentiality.coordinator": "A plan that the stated adversary breaks cannot be made.",
}
"""What a newcomer should know beside a key's meaning."""

_HEAD: Final = """\
# A plan: who computes what with whom. Read it with `confide plan show`, and before you sign it ask
# `confide plan views` who will learn what. Each line that is commented out shows the default;
# `confide plan keys` lists all keys, also those of the sections [coordinator], [enclave],
# [[public]] and [[stage]]. Indented lines are examples of what a plan may have instead.
"""

_PARTIES: Final = """\
# One section for each party. Without a key a party is simulated: good for `confide simulate` only.
# Parties of one owner name the same group.
[[party]]
name = "alder"
# key = "64 hexadecimal digits of an Ed25519 public key"

[[party]]
name = "birch"

[[party]]
name = "cedar"

[[party]]
name = "dogwood"

[[party]]
name = "elm"
"""

_COHORTS: Final = """\
# With crowd = "cohorts", rounds ask these cohorts in turn. Parties that are in the same cohorts
# have to hide in each other, so it takes nine or more, or noise per ownership group as well.
#     [[cohorts.cohort]]
#     name = "a"
#     parties = ["alder", "birch", "cedar", "dogwood"]
#
#     [[cohorts.cohort]]
#     name = "b"
#     parties = ["birch", "cedar", "dogwood", "elm"]
"""

_EXCHANGE: Final = """\
# What is no sum is an exchange: parties in roles send each other declared messages. It stands in
# the place of the [task] above and what belongs to sums, and each party has a role; beside sums, in
# a [[stage]] with [[stage.role]] and [stage.task].
#     [[role]]
#     name = "owner"        # whose rows are scored
#     party = "alder"
#
#     [[role]]
#     name = "evaluator"    # whose model scores them
#     party = "birch"
#
#     [task]
#     name = "encrypted-score"
#     columns = ["income", "debt"]
#     rows = 2              # in each round
#     precision = 1e-3
"""

_TASK: Final = """\
# What is computed. Settings depend on the task: 'fed-avg' and 'fed-sgd' train these models.
[task]
name = "fed-avg"
weight_cap = 500       # the most rows that a party's weight counts (public)
clip_norm_l2 = 5.0     # how far one party can move the sum of updates
local_steps = 10
learning_rate = 0.5

[task.model]
family = "bernoulli"   # "gaussian", "bernoulli", "categorical" (with n_classes) or "poisson"
l2 = 0.01

[task.table]
features = ["income", "debt", "late_payments"]
label = "approved"

# Public constants, never taken from the data: a feature becomes (x - centre) / scale.
[task.table.scaling]
income = [50_000, 30_000]
debt = [10_000, 10_000]
"""


def keys_in_markdown() -> str:
    """All keys of plan files, a table for each section."""
    tables = [
        _table("At the top", top_keys()),
        _table(
            f"At the top, or in each `[[{STAGE_KEY}]]` of a plan of several stages",
            stage_keys(alone=True),
        ),
        _table(
            f"In each `[[{STAGE_KEY}]]` besides",
            tuple(key for key in keys_of(Sums) if key not in stage_keys(alone=True)),
        ),
        _table(
            f"The same for a stage that is an exchange, which has these keys and no others; `name` "
            f"in a `[[{STAGE_KEY}]]` only",
            keys_of(Exchange),
        ),
    ]
    sections: dict[type, list[str]] = {}
    for key in (*top_keys(), *stage_keys(alone=True), *exchange_keys(alone=True)):
        for kind, section in _sections(key, ""):
            sections.setdefault(kind, []).append(section)
    for kind, places in sections.items():
        heading = " and ".join(f"`{place}`" for place in dict.fromkeys(places))
        tables.append(_table(f"{heading}: {meaning_of(kind)}", keys_of(kind)))
    return "\n".join(tables)


def _sections(
    key: Key, where: str, within: frozenset[type] = frozenset()
) -> Iterator[tuple[type, str]]:
    """The sections that a key opens, with the class of values that each is read as.

    Args:
        key: The key.
        where: The path of the section that it is in.
        within: The classes of the sections around it: none is listed inside itself.
    """
    path = f"{where}.{key.name}" if where else key.name
    if is_value(key.item):
        yield key.item, f"[[{path}]]"
    elif is_value(key.declared) and key.form is Written.PLAIN:
        yield key.declared, f"[{path}]"
        for inner in keys_of(key.declared):
            yield from _sections(inner, path)
    for choice in members_of(key.declared):
        if keys_of(choice.kind) and choice.kind not in within:
            inside = key.form is Written.SECTION
            beside = f"{where}.{choice.word}" if where else choice.word
            with_word = f'[{path}] with {key.word_key} = "{choice.word}"' if key.word_key else ""
            yield choice.kind, (with_word or f"[{path}]") if inside else f"[{beside}]"
            for inner in keys_of(choice.kind):
                yield from _sections(inner, beside, within | {choice.kind})


def _table(heading: str, keys: tuple[Key, ...]) -> str:
    rows = [f"**{heading}**" if not heading.endswith(".") else f"**{heading[:-1]}**", ""]
    rows += ["| key | meaning | default |", "|---|---|---|"]
    for key in keys:
        rows.append(f"| `{_written(key)}` | {_told(key)} | {_default(key)} |")
        if key.instead:
            name, meaning = key.instead
            rows.append(f"| `{name}` | {meaning} | in the place of `{key.name}` |")
    return "\n".join(rows) + "\n"


def _written(key: Key) -> str:
    """A key as a file has it: plain, a section or a list of sections."""
    if key.form is Written.WORD:
        return key.name
    if is_value(key.item):
        return f"[[{key.name}]]"
    in_section = key.form in (Written.OPEN, Written.SECTION) or is_value(key.declared)
    return f"[{key.name}]" if in_section else key.name


def _told(key: Key) -> str:
    """What a key means, and which values it takes."""
    told = [key.meaning]
    if key.word_key or key.form is Written.WORD:
        told += [f'`"{c.word}"`: {meaning_of(c.kind)}' for c in members_of(key.declared)]
    if isinstance(key.declared, type) and issubclass(key.declared, Enum):
        *others, last = (f'`"{member.value}"`' for member in key.declared)
        told.append(f"{', '.join(others)} or {last}.")
    if key.declared is bytes:
        told.append("Hexadecimal digits.")
    return " ".join(told)


def _default(key: Key) -> str:
    if key.required:
        return f"required, or `{key.instead[0]}`" if key.instead else "required"
    if key.declared in (bytes, Coordinator):
        return "simulated"
    if key.form is Written.SECTION and not key.word_key:
        return meaning_of(type(key.default)).removesuffix(".").lower()
    if (text := _text(key)) is not None:
        return f"`{text}`"
    return "as below" if is_value(key.declared) else "none"


def _text(key: Key) -> str | None:
    """A key's default as TOML; None if a file cannot say it."""
    default = key.default
    if key.form is Written.WORD:
        return f'"{word_of(type(default))}"'
    if isinstance(default, Enum):
        return f'"{default.value}"'
    if isinstance(default, bool):
        return str(default).lower()
    if isinstance(default, str | int | float):
        return f'"{default}"' if isinstance(default, str) else repr(default)
    return None


def _starter() -> str:
    keys = (*top_keys(), *stage_keys(alone=True))
    plain = [key for key in keys if key.name in _VALUES or _text(key) is not None]
    plain.sort(key=lambda key: [*_VALUES, key.name].index(key.name))
    lines, told = [_HEAD], set[type]()
    for key in plain:
        lines += [*_lines(key, key.name), ""]
    lines += [_PARTIES, _COHORTS]
    for key in keys:
        if key.form is Written.SECTION:
            lines += _choices(key)
        elif key not in plain and key.form is Written.PLAIN and is_value(key.declared):
            lines += _section(key, key.name, told)
    return "\n".join([*lines, _TASK, _EXCHANGE])


def _choices(key: Key) -> Iterator[str]:
    """A union as a section, of which the default is shown and the further keys are told."""
    yield from _comment(_told(key))
    yield f"# [{key.name}]"
    if key.word_key:
        yield f'# {key.word_key} = "{word_of(type(key.default))}"'
    optional: dict[str, list[str]] = {}
    for choice in members_of(key.declared):
        for inner in keys_of(choice.kind):
            optional.setdefault(_optional(inner), []).append(f'"{choice.word}"')
    for what, words in optional.items():
        when = f"With {' or '.join(words)}, " if key.word_key else "Optional, "
        yield from _comment(when + what)
    yield ""


def _section(key: Key, path: str, told: set[type]) -> Iterator[str]:
    """A section with its keys, commented out as far as it sets nothing.

    Args:
        key: The key that opens it.
        path: Its path.
        told: The classes whose keys were explained above; that of this section is added.
    """
    inner = [each for each in keys_of(key.declared) if not is_value(each.declared)]
    if any(each.required for each in inner):
        return
    yield from _comment(key.meaning)
    sets = any(f"{path}.{each.name}" in _VALUES for each in inner)
    yield f"[{path}]" if sets else f"# [{path}]"
    for each in inner:
        yield from _lines(each, f"{path}.{each.name}", explain=key.declared not in told)
    yield ""
    told.add(key.declared)
    for each in keys_of(key.declared):
        if is_value(each.declared):
            yield from _section(each, f"{path}.{each.name}", told)


def _lines(key: Key, path: str, *, explain: bool = True) -> Iterator[str]:
    """A key with what it means above it, commented out if its default is shown."""
    note = f" {_NOTES[path]}" if path in _NOTES else ""
    if path not in _VALUES and _text(key) is None:
        yield from _comment(f"Optional, {_optional(key)}")
        return
    if explain:
        yield from _comment(_told(key) + note)
    yield f"{key.name} = {_VALUES[path]}" if path in _VALUES else f"# {key.name} = {_text(key)}"


def _optional(key: Key) -> str:
    """A key that the file does not show, in words."""
    default = f" (default {_text(key)})" if _text(key) else ""
    instead = f" Or {key.instead[0]}: {key.instead[1]}" if key.instead else ""
    return f"{key.name}{default}: {_told(key)}{instead}"


def _comment(text: str) -> list[str]:
    lines = textwrap.wrap(text.replace("`", ""), _WIDTH - 2, break_long_words=False)
    return [f"# {line}" for line in lines]


STARTER: Final = _starter()
"""A commented plan file to begin with."""
