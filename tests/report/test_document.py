"""One report as text, JSON and HTML: they say the same, and no name in a plan can forge them."""

import json
import math
import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from jinja2 import UndefinedError
from tests.plan.examples import changed, plans
from tests.report.support import Page, clear_plan, plan_of, rows_of, sparse_plan, squeezed

from confide.plan import (
    Aim,
    CentralNoise,
    Outcome,
    PublicValue,
    Recipients,
    Release,
    Sum,
    SumGroup,
    Unit,
)
from confide.report import estimate, estimate_text, to_json, views, views_html, views_text
from confide.report.claims import Claim
from confide.report.document import render
from confide.report.text import names_of

HOLD_OUT = PublicValue(
    name="hold-out", digest=bytes(range(32)), meaning="published to compare models", rows=12_345
)
CODES = PublicValue(name="codes", digest=bytes(32), meaning="from a textbook")
PLANS = {
    "clear": clear_plan(public=(HOLD_OUT, CODES)),
    "complete": plan_of(public=(HOLD_OUT, CODES)),
    "sparse": sparse_plan(),
    "one round to the coordinator": plan_of(rounds=1, release=Release(to=Recipients.COORDINATOR)),
    "noise": plan_of(noise=CentralNoise(2.0)),
}
every_plan = pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)


LAYOUT = re.compile(r"a number|[\d,]+|\d+( × \d+)*")
"""How text and page write shapes and counts, which JSON has as numbers."""


def statements(report):
    """Everything that a reader of any form must be told."""
    yield from (report.plan_name, report.plan_hash, report.promise, *report.metadata)
    for facts in report.sums:
        yield from (facts.name, facts.meaning, facts.bound, str(facts.bits))
        yield from ([" × ".join(map(str, facts.shape))] if facts.shape else ["a number"])
    for value in report.public:
        yield from (value.name, value.meaning, f"{value.rows:,}" if value.rows else "")
    for view in report.views:
        yield view.observer if len(report.views) < 100 else ""
        for seen in view.observations:
            yield from (seen.value, seen.form, seen.when, seen.privacy, seen.voided_by)
            yield from (seen.verdict, seen.remedy)
    for finding in report.findings:
        yield from (finding.attack, finding.aim.value, finding.reason)


def missing(report, text):
    """Statements that are not in a text; neither wrapping nor layout matters."""
    flat = squeezed(text)
    return [said for said in statements(report) if squeezed(said) not in flat]


class TestForms:
    @every_plan
    def test_all_say_everything(self, plan):
        report = views(plan)
        assert missing(report, report.full) == []
        assert missing(report, Page(views_html(report)).text) == []
        inside = "".join(squeezed(text) for text in leaves(to_json(report)))
        texts = [s for s in statements(report) if not LAYOUT.fullmatch(s)]
        assert [said for said in texts if squeezed(said) not in inside] == []

    @every_plan
    def test_all_say_what_becomes_of_each_attack(self, plan):
        report = views(plan)
        text, page = squeezed(report.full), Page(views_html(report)).text
        for finding, as_json in zip(report.findings, to_json(report)["findings"], strict=True):
            attack, outcome = finding.attack, finding.outcome.value
            assert squeezed(f"{outcome.upper()}: {attack} [{finding.aim.value}]") in text
            assert squeezed(f"{attack}{finding.aim.value}{outcome}{finding.reason}") in page
            assert (as_json["attack"], as_json["outcome"]) == (attack, outcome)

    @every_plan
    def test_all_mark_who_is_not_in_the_threat(self, plan):
        report = views(plan)
        text, page = squeezed(report.full), Page(views_html(report)).text
        for group in report.grouped:
            names = names_of(group)
            heading = group[0].heading
            marked = squeezed(f"{names} {heading}")
            assert marked in text
            assert marked in page
            assert bool(heading) is not group[0].within_threat

    @pytest.mark.parametrize("simulated", [True, False])
    def test_all_warn_of_simulated_keys(self, simulated):
        report = views(plan_of())
        if not simulated:
            about = tuple(s for s in report.first_page.about if s.claim is not Claim.WARNING)
            page = replace(report.first_page, about=about)
            report = replace(report, warnings=(), first_page=page)
        for text in (report.full, Page(views_html(report)).text):
            assert ("keyissimulated" in squeezed(text)) is simulated
        assert bool(to_json(report)["warnings"]) is simulated

    def test_leave_public_values_out_where_there_are_none(self):
        report = views(plan_of())
        assert "Agreed to be public" not in report.full
        assert "Agreedtobepublic" not in Page(views_html(report)).text
        assert to_json(report)["public"] == []

    @given(plans())
    @settings(max_examples=10)
    def test_of_any_plan_can_be_made_and_read(self, plan):
        report = views(plan)
        printable = "".join(c for c in report.full if c != "\n")
        assert printable.isprintable()
        page = Page(views_html(report))
        assert page.misnested == page.loads == []
        assert json.loads(json.dumps(to_json(report))) == to_json(report)

    @every_plan
    def test_of_a_report_s_own_text_is_its_text(self, plan):
        assert str(views(plan)) == views_text(views(plan))

    @every_plan
    def test_in_short_is_a_line(self, plan):
        report = views(plan)
        assert len(repr(report)) < 250
        assert repr(report).startswith("<ViewReport ")

    @every_plan
    def test_in_a_notebook_is_the_first_page_and_touches_nothing_else(self, plan):
        page = Page(views(plan)._repr_html_())
        assert page.misnested == page.open == page.loads == []
        assert "Yourdecision" in page.text
        rules = re.findall(r"^ *([^@{}\n]+) \{", page.styles[0], re.MULTILINE)
        assert rules
        assert all(r.startswith((".who", ".behind", "body:has(> main.report)")) for r in rules)

    @every_plan
    def test_as_text_fit_a_mail(self, plan):
        assert (
            max(map(len, views_text(views(plan)).splitlines()[3:])) <= 100
            or len(plan.parties) > 100
        )


def leaves(value):
    """All texts and numbers in a JSON value, as text."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner)
    else:
        yield str(value)


HOSTILE = {
    "script": "<script>alert(1)</script>",
    "attribute": "\"><img src=x onerror='alert(1)'>",
    "entity": "&lt;b&gt; & <b>",
    "template": "{{ report.views }}{% raw %}",
    "new line": "fine\nplan 0000\n\nNobody learns anything.",
    "carriage return": "fine\rNobody learns anything.",
    "colour": "\x1b[2K\x1b[32mDEFEATED\x1b[0m",
    "turned around": "abc\u202egnihton snrael ydobon",
    "line separator": "fine\u2028plan 0000\x85next\x0bnext\x1cnext",
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
class TestHostileNames:
    """A plan comes from elsewhere, and its texts are anything: name, meanings, public values."""

    def report(self, name):
        value = PublicValue(name=name, digest=bytes(32), meaning=name, rows=1)
        group = SumGroup((Sum(name="total", unit_bound=1.0, capacity=5, meaning=name),))
        return views(changed(plan_of(), name=name, public=(value,), sums=group))

    def test_add_nothing_to_a_page(self, name):
        harmless, hostile = (Page(views_html(self.report(n))) for n in ("harmless", name))
        assert hostile.elements == harmless.elements
        assert hostile.misnested == hostile.loads == []

    def test_are_shown_on_a_page_as_they_are(self, name):
        page = Page(views_html(self.report(name)))
        assert page.text.count(squeezed(name)) == 5  # title, heading, meaning, and the value's two

    def test_add_no_line_and_no_control_character_to_a_text(self, name):
        harmless, hostile = (self.report(n).full for n in ("harmless", name))
        assert "NOT PRIVATE" in hostile.splitlines()[0]
        assert f"\nPlan {self.report(name).plan_hash}\n" in hostile
        assert len(hostile.splitlines()) <= len(harmless.splitlines()) + 3  # where it wraps
        assert "".join(hostile.split("\n")).isprintable()
        for line in hostile.split("\n"):
            assert not line.startswith(("plan 0000", "Nobody learns anything"))

    def test_come_back_from_json_as_they_are(self, name):
        back = json.loads(json.dumps(to_json(self.report(name))))
        assert back["plan_name"] == back["public"][0]["meaning"] == name
        assert back["sums"][0]["meaning"] == name


class TestPage:
    @every_plan
    def test_loads_nothing_and_runs_nothing(self, plan):
        page = Page(views_html(views(plan)))
        assert page.loads == []
        assert not page.tags & {"script", "link", "iframe", "object", "embed", "base", "form"}

    @every_plan
    def test_is_well_formed(self, plan):
        html = views_html(views(plan))
        page = Page(html)
        assert html.startswith("<!doctype html>")
        assert page.misnested == page.open == []
        assert {"title", "h1", "table", "style"} <= page.tags
        assert ("meta", {"charset": "utf-8"}) in page.elements

    def test_is_titled_by_its_plan(self):
        page = Page(views_html(views(plan_of(name="lenders"))))
        assert page.text.startswith("Wholearnswhat:lenders")

    @every_plan
    def test_shows_an_unprotected_release_in_red(self, plan):
        """A cell is red if and only if its ε is infinite or its verdict is NOT PRIVATE."""
        report = views(plan)
        elements = Page(views_html(report)).elements
        cells = [1 for tag, a in elements if tag == "td" and a.get("class") == "infinite"]
        shown = [o for group in report.grouped for o in group[0].observations]
        infinite = [o for o in shown if "∞" in o.privacy]
        open_to_somebody = [o for o in shown if "NOT PRIVATE" in o.verdict]
        assert infinite
        assert open_to_somebody
        assert len(cells) == len(infinite) + len(open_to_somebody)

    def test_colours_outcomes_by_their_names(self):
        report = views(plan_of())
        names = {o.name.lower() for o in Outcome}
        elements = Page(views_html(report)).elements
        shown = [a["class"] for tag, a in elements if tag == "td" and a.get("class") in names]
        assert shown == [f.outcome.name.lower() for f in report.findings]

    def test_styles_every_class_that_matters(self):
        (style,) = Page(views_html(views(plan_of()))).styles
        for name in ("infinite", "broken", "defeated", "reported", "assumed", "warning"):
            assert f".{name}" in style

    def test_shows_the_digest_of_what_is_public(self):
        assert HOLD_OUT.digest.hex() in Page(views_html(views(PLANS["clear"]))).text


class TestRender:
    def test_refuses_a_value_that_is_missing(self):
        with pytest.raises(UndefinedError, match="title"):
            render("views.html", report=views(plan_of()))

    def test_finds_the_templates_of_other_packages_that_extend_these(self):
        with pytest.raises(UndefinedError):
            render("demo.html", package="confide.demo", title="The demonstration")


class TestToJson:
    @dataclass
    class Example:
        inner: object

    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (math.inf, "inf"),
            (-math.inf, "-inf"),
            (math.nan, "nan"),
            (0.1, 0.1),
            (3, 3),
            (True, True),
            (None, None),
            ("ε", "ε"),
            (b"\x00\xff", "00ff"),
            (Aim.INTEGRITY, "integrity"),
            ((1, (2, math.inf)), [1, [2, "inf"]]),
            ({Unit.PARTY.value: b"\x01", 5: [Unit.PERSON]}, {"party": "01", "5": ["person"]}),
            (Example(Example(b"\x02")), {"inner": {"inner": "02"}}),
        ],
        ids=str,
    )
    def test_makes_what_json_can_hold(self, value, expected):
        assert to_json(value) == expected
        json.dumps(to_json(value), allow_nan=False)

    @every_plan
    def test_of_views_and_quotes_needs_no_more_than_json(self, plan):
        for value in (views(plan), estimate(plan, dict.fromkeys(rows_of(plan), 4))):
            as_json = to_json(value)
            assert json.loads(json.dumps(as_json, allow_nan=False)) == as_json

    def test_names_all_fields_of_a_report(self):
        as_json = to_json(views(PLANS["clear"]))
        assert as_json.keys() == {
            "plan_name", "plan_hash", "first_page", "warnings",
            "promise", "sums", "noise", "metadata",
            "public", "views", "findings", "verdicts", "exposures", "messages",
        }  # fmt: skip
        assert as_json["public"][0]["digest"] == HOLD_OUT.digest.hex()
        assert as_json["sums"][0]["shape"] == [3]


class TestQuoteText:
    def test_says_everything_that_the_quote_does(self):
        plan = plan_of()
        made = replace(
            estimate(plan, dict.fromkeys(rows_of(plan), 60)),
            rounds=3, bytes_sent_per_party=999, bytes_received_per_party=1_000,
            plain_bytes_per_party=2_345_678, party_seconds=0.0123, coordinator_seconds=4567.8,
            party_memory_bytes=3_000_000_000, coordinator_memory_bytes=5_000_000_000_000,
        )  # fmt: skip
        text = estimate_text(made)
        assert str(made) == text
        for row in (
            "rounds 3", "a party sends 999 B in all", "a party receives 1.0 kB in all",
            "a plain vector would be 2.3 MB in all", "protocol time of a party about 0.012 s",
            "protocol time of the coordinator about 4.6e+03 s",
            "protocol memory of a party about 3.0 GB",
            "protocol memory, coordinator about 5,000.0 GB", "privacy ε = ∞",
            "note: p000 may have 60 rows; only the first 50 are counted",
        ):  # fmt: skip
            assert row in " ".join(text.split())
