"""The page in Debian's chromium: on a desk, on a phone, in print and to a screen reader."""

import itertools
import re

import pytest
from tests.report.cases import report_of
from tests.report.chromium import browser

from confide.report import views_html

SHOWN = (
    "the starter", "the demo, with noise", "200 parties", "an exchange", "enclave over clear",
    "open crowd, a party lies",
)  # fmt: skip

OVERFLOWING = """
(() => {
  const spoken = e => { for (; e; e = e.parentElement)
    if (getComputedStyle(e).clipPath !== 'none') return true; return false; };
  return [...document.querySelectorAll('body *')].filter(e => {
    const box = e.getBoundingClientRect();
    if (!box.width || spoken(e)) return false;
    const cut = getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1;
    return cut || box.right > document.documentElement.clientWidth + 0.5 || box.left < -0.5;
  }).map(e => e.tagName + '.' + e.className + ': ' + e.textContent.slice(0, 40));
})()
"""

CONTRAST = """
(() => {
  const rgb = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = c => { const v = c / 255;
    return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
  const luminance = ([r, g, b]) => 0.2126 * light(r) + 0.7152 * light(g) + 0.0722 * light(b);
  const behind = e => { for (; e; e = e.parentElement) {
    const c = rgb(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; }
    return [255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || e.classList.contains('spoken')) continue;
    const fore = luminance(rgb(getComputedStyle(e).color));
    const back = luminance(behind(e));
    const ratio = (Math.max(fore, back) + 0.05) / (Math.min(fore, back) + 0.05);
    if (ratio < 4.5) found.push([e.tagName, e.className, e.textContent.slice(0, 30), ratio]);
  }
  return found;
})()
"""


@pytest.fixture(scope="module", name="chromium")
def _chromium(tmp_path_factory):
    with browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module", name="pages")
def _pages(tmp_path_factory):
    folder, pages = tmp_path_factory.mktemp("pages"), {}
    for number, name in enumerate(SHOWN):
        pages[name] = folder / f"{number}.html"
        pages[name].write_text(views_html(report_of(name)), encoding="utf-8")
    return pages


every_page = pytest.mark.parametrize("name", SHOWN)


@every_page
@pytest.mark.parametrize("width", [375, 768])
def test_nothing_is_cut_off(chromium, pages, name, width):
    """Everything unfolded, at the width of a phone and of a desk."""
    chromium.show(pages[name], width=width)
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert chromium.ask("document.documentElement.scrollWidth") <= width
    assert chromium.ask(OVERFLOWING) == []


def test_an_element_that_is_too_wide_is_found(chromium, tmp_path):
    page = tmp_path / "wide.html"
    page.write_text("<meta name=viewport content='width=device-width'><p style='width:400px'>wide")
    chromium.show(page, width=375)
    assert chromium.ask(OVERFLOWING) != []


@pytest.mark.parametrize("name", ["the starter", "the demo, with noise"])
def test_the_first_page_is_one_screen(chromium, pages, name):
    chromium.show(pages[name], width=1280, height=900)
    bottom = chromium.ask("document.querySelector('.who').getBoundingClientRect().bottom")
    assert bottom <= 900


def test_the_first_line_is_the_verdict_and_red(chromium, pages):
    chromium.show(pages["the starter"])
    first = "document.querySelector('main').innerText.trim().split('\\n')[0]"
    assert "NOT PRIVATE (ε = ∞)" in chromium.ask(first).replace("\xa0", " ")
    colour = chromium.ask("getComputedStyle(document.querySelector('.verdict')).color")
    red, green, blue = map(int, re.findall(r"\d+", colour))
    assert red > 2 * max(green, blue)


@pytest.mark.parametrize("name", ["the demo, with noise", "enclave over clear"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_the_contrast_that_the_guidelines_ask_for(chromium, pages, name, scheme):
    """WCAG 2.2, 1.4.3: at least 4.5 to 1."""
    chromium.show(pages[name])
    chromium.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": scheme}],
    )
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert chromium.ask(CONTRAST) == []


@pytest.mark.parametrize("name", ["the starter", "an exchange", "enclave over clear"])
@pytest.mark.parametrize("width", [375, 1280])
def test_a_screen_reader_finds_tables_headings_and_words(chromium, pages, name, width):
    """Also on a phone, where tables collapse: cells stay cells, and letters are words."""
    chromium.show(pages[name], width=width)
    chromium.ask("document.querySelectorAll('details').forEach(d => d.open = true)")
    spoken = chromium.spoken()
    roles = [role for role, _ in spoken]
    page = report_of(name).first_page
    cells = [name for role, name in spoken if role in ("cell", "gridcell")]
    picture = [cell for row in page.drawing.rows for cell in row.cells]
    for place, cell in enumerate(picture):
        assert cells[place].startswith(cell.look.meaning)
    assert roles.count("main") == 1
    assert {"rowheader", "columnheader", "caption", "list", "listitem"} <= set(roles)
    headings = [name for role, name in spoken if role == "heading"]
    assert headings[0].startswith("Who learns what: ")
    assert sum("Your decision" in heading for heading in headings) == 1
    assert not any(role in ("image", "img") and not said for role, said in spoken)


def test_levels_of_headings_skip_none(chromium, pages):
    chromium.show(pages["the starter"])
    levels = chromium.ask(
        "[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(h => Number(h.tagName[1]))"
    )
    assert levels[0] == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_forms_are_told_by_letters_and_patterns_and_not_by_colour_alone(chromium, pages):
    chromium.show(pages["enclave over clear"])
    looks = chromium.ask(
        "[...document.querySelectorAll('.legend .look')].map(e => [e.textContent, "
        "getComputedStyle(e).backgroundColor + getComputedStyle(e).backgroundImage])"
    )
    assert len({letter for letter, _ in looks}) == len({how for _, how in looks}) == len(looks) > 3


def test_print_shows_what_is_folded(chromium, pages):
    chromium.show(pages["the starter"], media="print")
    heights = chromium.ask(
        "[...document.querySelectorAll('details')].map(d => d.getBoundingClientRect().height)"
    )
    assert min(heights) > 60
    pdf = chromium.pdf()
    assert pdf.startswith(b"%PDF")
    assert 3 <= len(re.findall(rb"/Type /Page\b", pdf)) <= 8


def test_a_page_of_many_parties_groups_its_columns():
    picture = report_of("200 parties").first_page.drawing
    assert [c.name for c in picture.columns] == ["each of 200 parties", "coordinator", "network"]
