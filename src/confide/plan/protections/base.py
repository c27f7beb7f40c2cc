"""The interface of protections: values that say what they hide from whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, ClassVar

from confide.errors import PlanError
from confide.plan.exposures import (
    Condition,
    Exposure,
    Form,
    Observer,
    Standing,
    Subject,
    What,
    hidden,
    in_plain,
    seen_when,
    sum_names,
)
from confide.plan.findings import (
    ABSENT_BY_NATURE,
    JUDGED_BY_PROTECTION,
    Attack,
    Judge,
    Judgement,
    KnownAttack,
    Outcome,
)
from confide.plan.value import Family

if TYPE_CHECKING:
    from confide.plan.plan import Plan

__all__ = [
    "CHANNEL",
    "Hiding",
    "Protection",
    "Rule",
    "allowed_colluders",
    "beyond_threat",
    "plaintext_of_each",
    "vectors_of_each",
    "wire",
]

CHANNEL = "the channel (TLS 1.3) or its certificates broken"
"""The failure that voids the guarantee of a value that only the channel protects."""


class Rule(Enum):
    """How contributions are combined: added up, or so that few liars have little effect."""

    SUM = "sum"
    MEDIAN = "median"
    TRIMMED_MEAN = "trimmed-mean"
    KRUM = "krum"
    GEOMETRIC_MEDIAN = "geometric-median"

    def survivors_for(self, liars: int) -> int:
        """The fewest contributions with which so many parties that lie have little effect.

        For Krum 2f + 3 (Blanchard et al. 2017, Proposition 1), for the others an honest majority.
        """
        if self is Rule.SUM:
            return 1
        return 2 * liars + (3 if self is Rule.KRUM else 1)


@dataclass(frozen=True, kw_only=True)
class Hiding:
    """How a protection hides contributions from the adder.

    Attributes:
        form: The form of what a party sends.
        vector: What a party sends, in words.
        looks: What it looks like without the secrets.

        hardness: The failure that would void it.
    """

    form: Form
    vector: str
    looks: str
    hardness: str


class Protection(Family):
    """How contributions are protected on their way into a sum.

    A protection is a frozen dataclass that derives from this class, in a module of its own. Besides
    its fields it says what it hides from whom; findings, views and estimates ask only it. The code
    that runs it and the sizes of its messages are registered with `confide.aggregation.machinery`.

    Attributes:
        hiding: How it hides contributions from the adder; None if the adder reads them.
        secrets: What parties hold shares of, in words; empty where nothing is shared.
        judges: The outcome of each attack that depends on how the protection works.
        attacks: Further attacks on this protection alone.
    """

    hiding: ClassVar[Hiding | None] = None
    secrets: ClassVar[str] = ""
    judges: ClassVar[Mapping[Attack, Judge]] = {}
    attacks: ClassVar[tuple[KnownAttack, ...]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        unjudged = JUDGED_BY_PROTECTION - cls.judges.keys()
        if unjudged:
            raise PlanError(
                f"protection {cls.__name__!r} has no judge for "
                f"{', '.join(sorted(repr(a.value) for a in unjudged))}: give it a judge for each"
            )
        super().__init_subclass__(**kwargs)

    # --- what it is ------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        """How plan files and reports name it."""
        return type(self).__name__.lower()

    @property
    def beneath(self) -> Protection:
        """What protects contributions if an enclave's hardware is broken; else itself."""
        return self

    @property
    def attested(self) -> bool:
        """Whether parties verify who adds up before they send."""
        return False

    @property
    def rule(self) -> Rule:
        """How contributions become one."""
        return Rule.SUM

    @property
    def verified(self) -> bool | None:
        """Whether parties check each announced sum themselves; None: wherever they can."""
        return False

    @property
    def adder(self) -> str:
        """Who adds up, and adds central noise."""
        return "coordinator"

    @property
    def relies_on_channel(self) -> bool:
        """Whether the channel alone keeps contributions from the network."""
        return self.hiding is None

    @property
    def reader(self) -> str:
        """Who reads each contribution besides its party, as the subject of a sentence; or ''."""
        return "" if self.hiding else "the coordinator"

    @property
    def trust(self) -> str:
        """Whom the promise must trust with each contribution, as the rest of a sentence; or ''."""
        return ""

    @property
    def warning(self) -> str:
        """What a reader must not miss about the protection, or ''."""
        return ""

    def chance(self, plan: Plan) -> str:
        """What may fail by chance over all rounds of a plan, as a sentence; or ''."""
        del plan
        return ""

    def check_plan(self, plan: Plan) -> None:
        """Refuses a plan of one stage that the protection does not fit.

        Raises:
            PlanError: Saying why, and what fits.
        """

    # --- attacks ---------------------------------------------------------------------------------

    def judge(self, attack: Attack, plan: Plan) -> Judgement:
        """The outcome of an attack under a plan of this protection."""
        if attack in self.judges:
            return self.judges[attack](plan)
        return Outcome.ABSENT, ABSENT_BY_NATURE[attack]

    # --- exposures -------------------------------------------------------------------------------

    def to_adder(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What the adder holds of the parties, besides the sums."""
        raise NotImplementedError

    def to_coordinator(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What the coordinator holds of the parties, besides the sums."""
        return self.to_adder(plan, observer)

    def on_the_wire(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What the network carries."""
        raise NotImplementedError

    def to_party(self, plan: Plan, observer: Observer) -> Iterator[Exposure]:
        """What a party holds of others, besides the sums."""
        yield from ()

    def to_others(self, plan: Plan) -> Iterator[Exposure]:
        """What observers see that only this protection has."""
        yield from ()

    def beyond(self, plan: Plan) -> Iterator[Exposure]:
        """What coalitions beyond the threat could do."""
        yield from ()


def plaintext_of_each(
    plan: Plan, observer: Observer, *, detail: str = "in clear, by party", **fields: Any
) -> Exposure:
    """That an observer reads each party's contribution."""
    return Exposure(
        observer=observer,
        what=What.CONTRIBUTION,
        value=f"each party's contribution to {sum_names(plan)}",
        of=Subject.EACH_PARTY,
        form=Form.PLAINTEXT,
        detail=detail,
        when=seen_when(plan),
        guarantee=in_plain(plan),
        **fields,
    )


def vectors_of_each(plan: Plan, observer: Observer, hiding: Hiding, pooled: str) -> Exposure:
    """That an observer holds each party's hidden vector."""
    return Exposure(
        observer=observer,
        what=What.CONTRIBUTION,
        value=f"each party's {hiding.vector}",
        of=Subject.EACH_PARTY,
        form=hiding.form,
        detail=f"{hiding.looks} numbers",
        when=seen_when(plan),
        guarantee=hidden(),
        assumption=f"{hiding.hardness}; or {pooled}" if pooled else hiding.hardness,
    )


def wire(plan: Plan, observer: Observer, *, form: Form, detail: str, voided: str) -> Exposure:
    """That the network carries each contribution."""
    return Exposure(
        observer=observer,
        what=What.CONTRIBUTION,
        value="contributions",
        of=Subject.EACH_PARTY,
        form=form,
        detail=detail,
        when=seen_when(plan),
        guarantee=hidden(),
        assumption=voided,
    )


def beyond_threat(plan: Plan, name: str, members: int, **fields: Any) -> Exposure:
    """What the coordinator and so many parties could read of another party together."""
    return Exposure(
        observer=Observer(
            name=name,
            standing=Standing.BEYOND,
            parties=members,
            groups=members,
            coordinator=True,
        ),
        what=What.CONTRIBUTION,
        form=Form.PLAINTEXT,
        when=seen_when(plan),
        condition=Condition.BEYOND,
        guarantee=in_plain(plan, share_of_noise=True),
        **fields,
    )


def allowed_colluders(plan: Plan) -> str:
    """How many colluders the threat allows, as an aside."""
    return f"the threat lets at most {plan.colluding} collude"
