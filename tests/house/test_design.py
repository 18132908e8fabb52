"""The design keeps its promises: colours one can read, small files, nothing inline, nothing from elsewhere."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import brotli
import pytest
import rcssmin

from tests.figures import Figure
from tests.pages import Visitor

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "portal" / "static"
TEMPLATES = ROOT / "templates"
SITE, STAFF = ((STATIC / name).read_text(encoding="utf-8") for name in ("site.css", "staff.css"))
CSS = SITE + STAFF
JS = (STATIC / "site.js").read_text(encoding="utf-8")
BARE_CSS = re.sub(r"/\*.*?\*/", "", CSS, flags=re.DOTALL)
FIRST_VISITS = (
    *("/", "/prescribers", "/prescribers/evidence", "/prescribers/safety", "/prescribers/dose-plan"),
    *("/patients", "/es/pacientes", "/links", "/newsletter", "/requests/consultation", "/requests/resources"),
)

TOKEN = re.compile(r"--([a-z-]+):\s*(#[0-9a-f]{3}(?:[0-9a-f]{3})?)\b")
DARK = re.compile(r"@media screen and \(prefers-color-scheme: dark\) \{\s*:root \{(.*?)\}\s*\}", re.DOTALL)
LIGHT = re.compile(r":root \{(.*?)\}", re.DOTALL)

SOFT = ("info-soft", "ok-soft", "warn-soft", "danger-soft")
GROUNDS = ("paper", "card", "surface")
TEXT_PAIRS = [
    *product(("ink", "muted", "link", "visited", "danger"), GROUNDS),
    *product(("ink", "muted", "link"), SOFT),
    *product(("accent", "danger"), GROUNDS),  # words of quiet buttons
    ("accent-ink", "accent"),
    ("ok", "ok-soft"),
    ("warn", "warn-soft"),
    ("danger", "danger-soft"),
    ("deep-ink", "deep"),
    ("glow", "deep"),
]
SHAPE_PAIRS = [
    *product(("edge", "dose"), (*GROUNDS, *SOFT)),  # edges of inputs; focus rings, the current place
    *product(("ok", "warn", "danger", "link", "accent"), GROUNDS),
]


def tokens(mode: str) -> dict[str, str]:
    """The colours of one mode, as written in the stylesheet; dark overrides light."""
    light = LIGHT.search(BARE_CSS)
    dark = DARK.search(BARE_CSS)
    assert light and dark
    colours = dict(TOKEN.findall(light.group(1)))
    return colours | dict(TOKEN.findall(dark.group(1))) if mode == "dark" else colours


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.2 defines it, from 0 (black) to 1 (white)."""
    digits = colour.lstrip("#")
    if len(digits) == 3:
        digits = "".join(digit * 2 for digit in digits)
    channels = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """The WCAG contrast ratio of two colours, from 1 to 21."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def templates(*, mail: bool = True) -> list[Path]:
    """Every template; those of mails only if asked for."""
    return [
        path
        for path in sorted(TEMPLATES.rglob("*"))
        if path.is_file() and (mail or path.relative_to(TEMPLATES).parts[0] != "mail")
    ]


def source(path: Path) -> str:
    """A template without its comments."""
    return re.sub(r"\{#.*?#\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)


def classes(sheet: str) -> set[str]:
    """The names that a stylesheet's rules ask for; of `.message.out` the first, which is the component's."""
    selectors = re.sub(r"\{[^{}]*\}", " ", re.sub(r"/\*.*?\*/", "", sheet, flags=re.DOTALL))
    return set(re.findall(r"(?<![\w-])\.([a-z][\w-]*)", selectors))


def test_the_formula_agrees_with_its_published_ends() -> None:
    """Black on white is 21:1 and a colour on itself 1:1."""
    assert contrast("#000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#777777") == pytest.approx(1)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_words_can_be_read(mode: str) -> None:
    """Every pair of text and ground reaches 4.5:1 (WCAG 1.4.3)."""
    colours = tokens(mode)

    poor = {
        (text, ground): ratio
        for text, ground in TEXT_PAIRS
        if (ratio := round(contrast(colours[text], colours[ground]), 2)) < 4.5
    }

    assert poor == {}


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_controls_and_rings_can_be_seen(mode: str) -> None:
    """Edges of inputs, focus rings and the bars of boxes reach 3:1 (WCAG 1.4.11)."""
    colours = tokens(mode)

    poor = {
        (shape, ground): ratio
        for shape, ground in SHAPE_PAIRS
        if (ratio := round(contrast(colours[shape], colours[ground]), 2)) < 3
    }

    assert poor == {}


def test_both_modes_set_every_colour_that_must_change() -> None:
    """A token left out of the dark block is one of the three that are the same in both."""
    dark = DARK.search(BARE_CSS)
    assert dark

    same = set(tokens("light")) - dict(TOKEN.findall(dark.group(1))).keys()

    assert same == {"deep", "deep-ink", "glow"}


def test_colours_live_in_the_token_blocks_only() -> None:
    """No rule names a colour by number."""
    rest = LIGHT.sub("", DARK.sub("", BARE_CSS))

    assert re.findall(r"#[0-9a-fA-F]{3,8}\b(?![^{]*\{)|\brgba?\(|\bhsla?\(", rest) == []


def test_every_token_used_is_defined() -> None:
    """A misspelt token would silently paint nothing; only tone and soft are set by the box itself."""
    defined = set(re.findall(r"(--[a-z-]+):", BARE_CSS))

    assert set(re.findall(r"var\((--[a-z-]+)", BARE_CSS)) <= defined


def test_the_public_stylesheet_stays_small(figure: Figure) -> None:
    """At most 5 KB as it travels; the heaviest first visit, of 30 KB at most, leaves room for that."""
    size = len(brotli.compress(rcssmin.cssmin(SITE).encode(), quality=11))

    assert size <= 5 * 1024
    figure("public stylesheet, compressed", size, "bytes of at most 5,120")


@pytest.mark.parametrize("path", FIRST_VISITS)
def test_a_first_visit_is_light(path: str, visitor: Visitor, figure: Figure) -> None:
    """At most 30 KB in 4 requests, and never what is for staff alone."""
    visitor.client.set_cookie("professional", "yes", domain="localhost")

    page = visitor.get(path)

    addresses = [path, *re.findall(r'(?:href|src)="(/static/[^"]+)"', page.text)]
    bodies = [visitor.get(each, headers={"Accept-Encoding": "br"}).data for each in addresses]
    assert page.status_code == 200
    assert all(bodies)
    assert "staff" not in " ".join(addresses)
    assert len(addresses) <= 4
    assert sum(map(len, bodies)) <= 30 * 1024
    figure("first visit, the heaviest page", round(sum(map(len, bodies)) / 1024, 1), "KB of at most 30")


def test_only_the_staff_face_asks_for_its_sheet(visitor: Visitor) -> None:
    """And no public page uses what stands in it alone."""
    alone = classes(STAFF) - classes(SITE)

    assert len(alone) > 10
    assert "/static/staff." in visitor.get("/staff/login").text
    assert [link["href"] for link in visitor.open("/").soup.select("link[rel=stylesheet]")] == [
        visitor.client.application.jinja_env.globals["asset"]("site.css")
    ]
    for path in FIRST_VISITS:
        visitor.client.set_cookie("professional", "yes", domain="localhost")
        used = {name for tag in visitor.open(path).soup.select("[class]") for name in tag["class"]}
        assert used & alone == set(), path


def test_the_script_stays_small_and_keeps_to_text(figure: Figure) -> None:
    """At most 4 KB even before it is minified, and it never writes markup (Trusted Types)."""
    code = re.sub(r"/\*.*?\*/", "", JS, flags=re.DOTALL)
    small = re.sub(r"\s*\n\s*", "\n", code)

    assert len(small.encode()) <= 4 * 1024
    figure("script, without its comments", len(small.encode()), "bytes of at most 4,096")
    assert not re.search(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|\.style\b", code
    )


def test_templates_carry_no_inline_style_or_script() -> None:
    """The content security policy forbids them everywhere but in mails."""
    inline = re.compile(
        r"""<style\b|\sstyle\s*=|\son[a-z]+\s*=\s*["']|<script(?![^>]*\ssrc=)|javascript:""", re.IGNORECASE
    )

    found = {
        str(path.relative_to(TEMPLATES)): matches
        for path in templates(mail=False)
        if (matches := inline.findall(source(path)))
    }

    assert found == {}


def test_nothing_is_fetched_from_another_host() -> None:
    """No page, mail, stylesheet, script or drawing loads a font, an image or a file from elsewhere."""
    remote = re.compile(
        r"""(?:\bsrc|\bsrcset|\bposter|\bdata|\bbackground)\s*=\s*["'](?:https?:)?//|<link[^>]*\shref=["'](?:https?:)?//|@import|@font-face|url\("""
    )
    files = [*templates(), *(path for path in STATIC.rglob("*") if path.suffix in {".css", ".js", ".svg"})]

    found = [str(path.relative_to(ROOT)) for path in files if remote.search(source(path))]

    assert found == []


def test_images_in_mails_are_forbidden() -> None:
    """A mail is understood without a picture, and no opening of it is seen by us."""
    mails = (TEMPLATES / "mail").rglob("*.html")

    found = [str(path.relative_to(TEMPLATES)) for path in mails if re.search(r"<img\b", source(path))]

    assert found == []


def test_pages_write_no_controls_or_tables_of_their_own() -> None:
    """Inputs and tables come from components, where labels and errors are wired once."""
    own = re.compile(r"<(?:input|select|textarea|table|button)\b")

    found = [
        str(path.relative_to(TEMPLATES))
        for path in templates(mail=False)
        if path.relative_to(TEMPLATES).parts[0] != "components"
        and path.name not in ("staff.html", "embed.txt")  # the sign-out form; what other sites copy
        and own.search(source(path))
    ]

    assert found == []


def test_no_page_imports_a_macro_over_its_own_form() -> None:
    """A macro named `form` or `alert` would hide the page's own, and with it every error."""
    clash = re.compile(r"\bimport\b[^%]*\b(?:form|alert|org|lang)\b(?!\s+as\b)[^%]*%\}")

    assert [str(path.relative_to(TEMPLATES)) for path in templates() if clash.search(source(path))] == []


def test_every_component_is_in_the_gallery() -> None:
    """`/staff/components` shows each macro, so that one look tells what there is and how it stands."""
    gallery = source(TEMPLATES / "staff" / "components.html")
    macros = {
        name
        for path in (TEMPLATES / "components").glob("*.html")
        for name in re.findall(r"{% macro ([a-z]\w*)", source(path))
    }
    renamed = dict(re.findall(r"(\w+) as (\w+)", gallery))

    missing = {name for name in macros if not re.search(rf"\b{renamed.get(name, name)}\(", gallery)}

    assert len(macros) > 25
    assert missing == set()


def test_nothing_hides_the_focus_without_showing_it_again() -> None:
    """Only main (focused by the skip link) and a door (whose whole card is ringed) drop their own ring."""
    rules = re.findall(r"([^{}]+)\{[^{}]*outline:\s*(?:0|none)[^{}]*\}", BARE_CSS)

    assert [rule.strip() for rule in rules] == ["#main", ".door a"]


def test_nothing_moves() -> None:
    """Nothing moves, nor does the page to where a link leads: on a long one it ends elsewhere."""
    assert not re.search(r"\b(?:animation|transition|scroll-behavior)\b", BARE_CSS)


def test_the_pictures_kept_are_few_and_shown() -> None:
    """At most a dozen, each on a page of the documentation; git ignores those that `make screenshots` makes."""
    kept = set((ROOT / "docs" / "screenshots").glob("*"))
    shown = {
        (page.parent / target).resolve()
        for page in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
        for target in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    }

    assert kept == shown
    assert 0 < len(kept) <= 12
    assert "/screenshots/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
