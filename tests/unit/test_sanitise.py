"""The sanitiser: what may stay stays, and nothing that runs gets through."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steps.html import dom, fragment
from steps.html.sanitise import ATTRIBUTES, TAGS, safe_url, sanitise
from steps.models import Section
from tests import inert

ATTACKS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=https://evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<img src=x onerror=alert(1)>",
    "<img src=x:alert(1) onerror=eval(src)>",
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    "<svg><a xlink:href='javascript:alert(1)'><text>x</text></a></svg>",
    "<math><mtext><table><mglyph><style><img src onerror=alert(1)>",
    "<math><mi xlink:href='data:text/html,<script>alert(1)</script>'>x</mi></math>",
    "<body onload=alert(1)>",
    "<iframe src='javascript:alert(1)'></iframe>",
    "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
    "<a href='javascript:alert(1)'>x</a>",
    "<a href='JaVaScRiPt:alert(1)'>x</a>",
    "<a href='java\tscript:alert(1)'>x</a>",
    "<a href='&#106;avascript:alert(1)'>x</a>",
    "<a href='\x01javascript:alert(1)'>x</a>",
    "<a href='vbscript:msgbox(1)'>x</a>",
    "<a href='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='>x</a>",
    "<a href='//evil.example/x'>x</a>",
    "<a href='https://ok.example' onclick='alert(1)'>x</a>",
    "<a href='https://ok.example' style='background:url(javascript:alert(1))'>x</a>",
    "<p style='width:expression(alert(1))'>x</p>",
    "<style>@import 'https://evil.example/x.css';</style>",
    "<link rel=stylesheet href='https://evil.example/x.css'>",
    "<meta http-equiv=refresh content='0;url=javascript:alert(1)'>",
    "<base href='https://evil.example/'>",
    "<form action='https://evil.example'><input name=q autofocus onfocus=alert(1)></form>",
    "<button formaction='javascript:alert(1)'>x</button>",
    "<object data='javascript:alert(1)'></object>",
    "<embed src='javascript:alert(1)'>",
    "<video><source onerror=alert(1)></video>",
    "<audio src=x onerror=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea><img title='</textarea><img src=x onerror=alert(1)>'></textarea>",
    "<!--<img src='--><img src=x onerror=alert(1)>'>-->",
    "<!--[if gte IE 4]><script>alert(1)</script><![endif]-->",
    "<template><script>alert(1)</script></template>",
    "<p id='x' class='evil' data-x='1'>x</p>",
    "<table background='javascript:alert(1)'><tr><td>x</td></tr></table>",
    "<isindex type=image src=1 onerror=alert(1)>",
    "<xss onpointerenter=alert(1)>x</xss>",
    # one parser's text is another's element: foreign content, templates, raw text
    "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
    "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src onerror=x&gt;'>",
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    "<svg><![CDATA[><image xlink:href='x' onerror=alert(1)>]]></svg>",
    "<svg><foreignObject><iframe srcdoc='<script>alert(1)</script>'></foreignObject></svg>",
    "<svg><animate xlink:href=#x attributeName=href values=javascript:alert(1) /></svg>",
    "<svg><use href='data:image/svg+xml,<svg id=x onload=alert(1)>#x' /></svg>",
    "<noscript><style></noscript><img src=x onerror=alert(1)></style></noscript>",
    "<template><template><img src=x onerror=alert(1)></template></template><p>x</p>",
    "<select><template><svg><script>alert(1)</script></svg></template></select>",
    "<xmp><p title='</xmp><svg/onload=alert(1)>'></xmp>",
    "<title><a title='</title><img src onerror=alert(1)>'></a></title>",
    "<noembed><a title='</noembed><img src onerror=alert(1)>'></a></noembed>",
    "<plaintext><img src=x onerror=alert(1)>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!--!><img src=x onerror=alert(1)>--!><p>x</p>",
    "<?xml version='1.0'?><?php echo 1 ?><p>x</p>",
    "<![CDATA[<script>alert(1)</script>]]>",
    "</p></body></html><script>alert(1)</script>",
    # addresses in other places than href and src, and in other spellings
    "<img srcset='https://evil.example/x 1x, javascript:alert(1) 2x'>",
    "<picture><source srcset=//evil.example/x></picture>",
    "<a href=jav&#x09;ascript:alert(1)>x</a>",
    "<a href='javascript&colon;alert(1)'>x</a>",
    "<a href='&#x6A&#x61&#x76&#x61&#x73&#x63&#x72&#x69&#x70&#x74:alert(1)'>x</a>",
    "<a href='java\nscript:alert(1)'>x</a>",
    "<a href=' &#14; javascript:alert(1)'>x</a>",
    "<a href='feed:javascript:alert(1)'>x</a>",
    "<a href='blob:https://ok.example/x'>x</a>",
    "<a href='https:evil.example'>x</a>",
    "<a href='\\\\evil.example\\x'>x</a>",
    "<a href='#x' ping='https://evil.example/p' target=_blank download>x</a>",
    "<svg><a href='data:text/html,<script>alert(1)</script>'>x</a></svg>",
    "<meta http-equiv=refresh content='0;url=data:text/html,<script>alert(1)</script>'>",
    "<blockquote cite='javascript:alert(1)'>x</blockquote><q cite='https://evil.example'>x</q>",
    "<table><tr><td background='https://evil.example/x.png'>x</td></tr></table>",
    "<input type=image src=x onerror=alert(1) formaction=javascript:alert(1)>",
    "<form><form action=javascript:alert(1)><button formaction=javascript:alert(1)>x</form></form>",
    "<form id=f></form><button form=f formaction='javascript:alert(1)'>x</button>",
    "<frameset onload=alert(1)><frame src=javascript:alert(1)></frameset>",
    "<applet code=x archive='https://evil.example/x.jar'></applet><param name=x value=y>",
    "<object data='data:text/html,<script>alert(1)</script>'><embed src=//evil.example></object>",
    # attributes: unquoted, doubled, oddly separated, broken
    "<p/onclick=alert(1)/title=x>x</p>",
    "<p\x0conclick=alert(1)>x</p>",
    "<p title=`onclick=alert(1)` onclick = alert(1)>x</p>",
    "<a href=https://ok.example/ onclick=alert(1)>x</a>",
    "<a href='https://ok.example' href='javascript:alert(1)'>x</a>",
    "<abbr title='x\" onmouseover=alert(1) y=\"'>x</abbr>",
    '<abbr title="</abbr><img src=x onerror=alert(1)>">x</abbr>',
    "<time datetime='\"><script>alert(1)</script>'>x</time>",
    "<p title='\ud83d' onclick=alert(1)>half a sign</p>",
    "<p>\x00<scr\x00ipt>alert(1)</scr\x00ipt></p>",
    "<p style='background:url(https://evil.example/x)'>x</p>",
    "<p style='-moz-binding:url(//evil.example/x#x)'>x</p>",
    "<p style='width:ex/**/pression(alert(1))'>x</p>",
    "<div style='position:fixed;inset:0;z-index:9999'>over everything</div>",
    "<p class='note' contenteditable autofocus tabindex=1 onfocus=alert(1)>x</p>",
    "<dialog open onclose=alert(1)>x</dialog><p popover id=x onbeforetoggle=alert(1)>x</p>",
    # names that shadow the page's own (DOM clobbering)
    "<h2 id=location>x</h2><p id=document name=cookie>x</p>",
    "<a id=config href='https://evil.example'>x</a><a id=config name=url href='//x'>x</a>",
    "<form id=x><input id=attributes name=nodeName></form><img name=getElementById>",
    # WordPress
    "<p>[wp_exec cmd='id'] [/gallery] [[wp_exec]] [[[wp_exec]]]</p>",
    "<abbr title='[wp_exec]'>x</abbr><a href='https://ok.example/[wp_exec]'>x</a>",
    "<p>https://evil.example/embed</p>\nhttps://evil.example/embed\n",
    "<!-- wp:html --><p>x</p><!-- /wp:html --><!--more--><!--nextpage-->",
]


SIGN = re.compile("[\ud800-\udfff]")


def _clean(markup: str) -> str:
    """Sanitised as articles are: they come from the tree, which knows no broken characters."""
    return sanitise(SIGN.sub("", markup))


def _inert(markup: str) -> None:
    assert inert.problems(markup) == []
    root = dom.parse(markup)
    for node in dom.elements(root):
        assert dom.tag(node) in TAGS
        allowed = ATTRIBUTES.get(dom.tag(node), frozenset()) | {"class", "rel"}
        assert set(node.attrib) <= allowed
        href = node.get("href")
        assert href is None or re.match(r"(https?://|mailto:|#)", href)
    assert "<script" not in markup.lower()
    assert "<!--" not in markup


def test_the_corpus_is_large() -> None:
    assert len(set(ATTACKS)) >= 100


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_is_inert(attack: str) -> None:
    for markup in (attack, f"<p>before {attack} after</p>", f"<table><td>{attack}</table>"):
        once = _clean(markup)
        _inert(once)
        assert sanitise(once) == once


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_in_a_section_is_inert_after_the_tree_s_passes(attack: str) -> None:
    """lxml reads HTML by other rules than browsers do, so the sanitiser must come last."""
    section = Section(id="s1", heading="Why", words=300)
    _inert(sanitise(fragment.clean(f"<h2>Why</h2><p>Text.</p>{attack}<p>More.</p>", section)))


SOUP = st.lists(
    st.sampled_from(
        [
            *ATTACKS,
            "<p>",
            "</p>",
            "<",
            ">",
            '"',
            "'",
            "--",
            "-->",
            "<!--",
            "]]>",
            "</",
            "/>",
            "text",
        ]
        + [
            f"<{tag}>"
            for tag in ("svg", "math", "style", "table", "select", "template", "noscript")
        ]
        + [f"</{tag}>" for tag in ("svg", "math", "style", "table", "select", "title", "a")]
        + [
            "<a href=",
            "<p title='",
            "javascript:",
            "&lt;",
            "&#60;",
            "\x00",
            "[",
            "]",
            "[[",
            "http://",
        ]
    ),
    max_size=8,
).map("".join)


@settings(deadline=None, derandomize=True, max_examples=300)
@given(SOUP)
def test_any_mixture_of_attacks_is_inert_and_clean_html_stays_as_it_is(soup: str) -> None:
    once = _clean(soup)
    _inert(once)
    assert sanitise(once) == once


@settings(deadline=None, derandomize=True, max_examples=200)
@given(st.text(max_size=80))
def test_any_text_at_all_is_inert(text: str) -> None:
    once = _clean(text)
    _inert(once)
    assert sanitise(once) == once


def test_the_second_opinion_sees_what_the_sanitiser_is_for() -> None:
    seen = sum(bool(inert.problems(SIGN.sub("", attack).replace("\x00", ""))) for attack in ATTACKS)

    assert seen >= 0.95 * len(ATTACKS)


def test_shortcodes_and_addresses_in_the_text_read_the_same_and_do_nothing() -> None:
    written = "<p>Use [gallery ids=1] or https://a.example/x as in [1].</p>"
    cleaned = sanitise(written)

    assert "[gallery" not in cleaned
    assert "https://" not in cleaned
    assert dom.text(dom.parse(cleaned)) == dom.text(dom.parse(written))


def test_no_element_gets_a_name_by_which_scripts_could_find_it() -> None:
    assert sanitise("<h2 id=x name=y>x</h2>") == "<h2>x</h2>"


def test_the_article_s_own_markup_passes_unchanged() -> None:
    article = (
        '<h1>T</h1><section class="key-takeaways"><h2>Key Takeaways</h2><ul><li>One</li></ul>'
        '</section><h2>H</h2><p class="note">A <strong>b</strong> <em>c</em> <code>d</code></p>'
        '<table class="comparison-table"><thead><tr><th scope="col">x</th></tr></thead><tbody>'
        '<tr><td colspan="2">y</td></tr></tbody></table><blockquote>q</blockquote>'
        '<p>Text <a href="https://a.example/x?y=1&amp;z=2" class="citation" rel="noopener">'
        "[1]</a> [[claim:2]] [[island:3]]</p>"
    )
    assert sanitise(article) == article


def test_unknown_classes_go_and_known_ones_stay() -> None:
    assert sanitise('<p class="note evil">x</p>') == '<p class="note">x</p>'
    assert sanitise('<p class="evil">x</p>') == "<p>x</p>"


def test_links_within_the_page_stay_and_relative_ones_lose_their_address() -> None:
    assert 'href="#part"' in sanitise('<a href="#part">x</a>')
    assert "href" not in sanitise('<a href="/other">x</a>')


@pytest.mark.parametrize("url", ["https://a.example/x", "http://a.example:8080/?q=1#f"])
def test_an_absolute_web_address_is_safe(url: str) -> None:
    assert safe_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "//a.example",
        "/x",
        "ftp://a.example",
        'https://a.example/"x',
        "https://[x",
        "https://a.example/" + "x" * 2048,
    ],
)
def test_any_other_address_is_not(url: str) -> None:
    assert not safe_url(url)


def test_a_link_cannot_keep_a_hold_on_the_page_it_was_opened_from() -> None:
    assert sanitise('<a href="https://a.example/" rel="opener">x</a>') == (
        '<a href="https://a.example/" rel="noopener">x</a>'
    )
