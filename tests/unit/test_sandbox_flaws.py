"""The flaws of the sandbox's drafts: as many as asked for, seen by the steps, and mended."""

from __future__ import annotations

import pytest

from orchestrator.sandbox.prompts import parse
from orchestrator.sandbox.writer import write
from steps.fixes import passes, section_checks
from steps.fixes.structure import FixContext
from steps.html import dom, fragment
from steps.models import Section, SectionHtml
from tests.sandbox_helpers import GAPS, YEAR, Article, ask, block, brief, compose, plain

KEYWORDS = ("AI in SEO", "composting at home")


def drafts(article: Article, share: float) -> dict[str, str]:
    """Every section as the writer drafts it with this share of flaws."""
    return {section["id"]: draft(article, section, share) for section in article.sections}


def draft(article: Article, section: dict[str, object], share: float, **more: object) -> str:
    names = ("id", "heading", "kind", "purpose", "words", "table", "keywords")
    asked = {name: section[name] for name in names}
    data = {"section": {**asked, "previous": "", "next": ""}, "claims": section["numbered"], **more}
    data["gaps"] = [gap for gap in GAPS if gap["id"] in section["gapIds"]]  # type: ignore[operator]
    prompt = "\n".join(["<task>write_section</task>", *(block(k, v) for k, v in data.items())])
    return str(write(parse(brief(article), prompt), share))


def problems(article: Article, section: dict[str, object], html: str) -> list[str]:
    """What step 5 finds wrong with a section after all it can mend itself."""
    names = Section.model_fields
    one = Section.model_validate({k: v for k, v in section.items() if k in names} | {"claims": []})
    cleaned = SectionHtml(id=one.id, html=fragment.clean(html, one, range(1, 99)))
    (fixed,), _ = passes.apply([cleaned], FixContext(article.keyword, kinds={one.id: one.kind}))
    return section_checks.problems(fixed.html, one, article.head["questions"])


@pytest.fixture(scope="module", params=KEYWORDS)
def article(request: pytest.FixtureRequest) -> Article:
    return compose(request.param)


def body(article: Article) -> list[dict[str, object]]:
    return [section for section in article.sections if section["kind"] == "body"]


def test_without_flaws_no_section_fails(article: Article) -> None:
    texts = drafts(article, 0.0)

    assert [problems(article, s, texts[s["id"]]) for s in article.sections] == [[]] * 9


def test_half_of_the_sections_fail_what_step_5_cannot_mend_itself(article: Article) -> None:
    texts = drafts(article, 0.5)
    found = [problems(article, section, texts[section["id"]]) for section in article.sections]

    assert sum(map(bool, found)) == 5
    assert any("too short" in text for told in found for text in told)
    assert any("first paragraph" in text for told in found for text in told)


def test_one_repair_mends_a_flawed_section(article: Article) -> None:
    for section in body(article):
        html = draft(article, section, 0.5)
        told = problems(article, section, html)
        mended = ask(
            "repair_section",
            section={"heading": section["heading"], "html": html},
            problems=told,
            request={"keyword": article.keyword, "year": YEAR},
        )

        assert problems(article, section, mended) == []


def test_a_stock_phrase_is_emphasised_in_part_and_goes_when_it_is_named(article: Article) -> None:
    texts = drafts(article, 0.5).values()
    stock = [html for html in texts if "game</strong> changer" in html or "<em>" in html]

    assert stock
    for html in stock:
        told = [
            phrase
            for phrase in ("game changer", "deep dive", "at the end of the day",
                           "to the next level", "stay ahead of the curve", "look no further")
            if phrase in plain(html).lower()
        ]  # fmt: skip
        mended = ask(
            "repair_section",
            section={"heading": "x", "html": html},
            problems=[f"AI Detection Phrases: Reword {len(told)} phrases: {'; '.join(told)}."],
            request={"keyword": article.keyword, "year": YEAR},
        )
        assert told
        assert not any(phrase in plain(mended).lower() for phrase in told)
        assert len(plain(mended).split()) > len(plain(html).split()) - 30


def test_flaws_fall_to_the_same_sections_whatever_the_order(article: Article) -> None:
    forwards = drafts(article, 0.5)
    backwards = {s["id"]: draft(article, s, 0.5) for s in reversed(article.sections)}

    assert forwards == backwards


def test_a_section_that_keeps_an_old_text_has_no_flaws(article: Article) -> None:
    original = {"html": "<h2>Old</h2><p>An old fact [[island:1]].</p>"}
    for section in body(article):
        assert draft(article, section, 1.0, original=original) == draft(
            article, section, 0.0, original=original
        )


def test_every_heading_and_no_foreign_element_is_in_a_flawed_section(article: Article) -> None:
    for section in body(article):
        root = dom.parse(draft(article, section, 0.5))
        assert [dom.text(h) for h in dom.elements(root, "h2")] == [section["heading"]]
