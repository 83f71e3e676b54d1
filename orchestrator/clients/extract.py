"""From a page's bytes to its title, headings and main text."""

from __future__ import annotations

import codecs
import itertools
import re
from dataclasses import dataclass, field

from lxml import etree, html

from orchestrator.clients.hidden import strip_unseen
from orchestrator.unseen import INVISIBLE

MAX_HEADINGS = 80
MAX_LINE = 300
"""Characters of a title or a heading that are kept."""

MAX_DEPTH = 200
"""Elements nested deeper than this are dropped: no page needs it, and walking it is costly."""

MAX_ELEMENTS = 8_000
"""Elements that are read, from the top. Measured: the main text of 8,000 takes up to 3 s of CPU;
without a bound, 2 MiB of some shapes take minutes."""

_LINES = "p div section article li tr td th dt dd br pre blockquote h1 h2 h3 h4 h5 h6"
_BLOCKS = tuple(_LINES.split())

_SPACES = re.compile(r"[^\S\n]+")
_DATE = re.compile(r"\b((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])")
_JSON_DATE = re.compile(r'"datePublished"\s*:\s*"([^"]{8,40})"')
_META_CHARSET = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([a-zA-Z0-9_:.-]{2,40})", re.I
)
_TEXT_CODECS = re.compile(r"utf|iso|latin|cp|windows|ascii|shift|euc|gb|big5|koi8|mac|tis|hz")
_PUBLISHED = frozenset(
    {
        "article:published_time",
        "citation_publication_date",
        "date",
        "datepublished",
        "dc.date",
        "dc.date.issued",
        "dcterms.created",
        "parsely-pub-date",
        "pubdate",
        "publication_date",
        "publish-date",
        "sailthru.date",
    }
)
"""Names under which ``<meta>`` elements tell the day of publication."""

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a page says.

    :param text: the main text.
    :param seen: how many characters of text the whole page shows.
    """

    title: str = ""
    headings: list[str] = field(default_factory=list)
    text: str = ""
    language: str | None = None
    published: str | None = None
    seen: int = 0


def decode(body: bytes, charset: str | None) -> str:
    """The body as text: by its byte order mark, the header's *charset*, its own, or UTF-8."""
    for mark, codec in _BOMS:
        if body.startswith(mark):
            return body.decode(codec, "replace").lstrip("\ufeff")
    declared = _META_CHARSET.search(body[:4096])
    for name in (charset, declared[1].decode("ascii") if declared else None, "utf-8"):
        text = _decoded(body, name)
        if text is not None:
            return text
    raise AssertionError("UTF-8 decodes anything")


def _decoded(body: bytes, name: str | None) -> str | None:
    if not name or not _TEXT_CODECS.search(name.lower()):
        return None
    try:
        return body.decode("cp1252" if name.lower() == "iso-8859-1" else name, "replace")
    except LookupError:
        return None


def read_text(body: bytes, charset: str | None, max_chars: int) -> Reading:
    """A plain text: its first line is the title."""
    text = tidy(decode(body, charset))
    first = text.split("\n", 1)[0]
    return Reading(title=first[:MAX_LINE], text=shortened(text, max_chars), seen=len(text))


def read_html(body: bytes, charset: str | None, max_chars: int) -> Reading:
    """A page's title, headings (h1 to h3) and main text, without anything hidden.

    :param max_chars: of the text.
    """
    root = _parsed(decode(body, charset))
    if root is None:
        return Reading()
    published = _published(root)
    title = _title(root)
    language = _language(root)
    strip_unseen(root)
    _bound(root)
    headings = [text for element in root.iter("h1", "h2", "h3") if (text := _line(element))]
    text = _main_text(root)
    seen = tidy(_visible(root))
    return Reading(
        title=title or (headings[0] if headings else ""),
        headings=headings[:MAX_HEADINGS],
        text=shortened(text or seen, max_chars),
        language=language,
        published=published,
        seen=len(seen),
    )


def _parsed(text: str) -> html.HtmlElement | None:
    # NUL and other control characters end lxml's document early; an XML declaration is refused
    clean = re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f]", " ", text)
    clean = re.sub(r"^\s*<\?xml[^>]*\?>", "", clean)
    parser = html.HTMLParser(remove_comments=True, remove_pis=True, no_network=True)
    try:
        return html.document_fromstring(clean, parser=parser)
    except (etree.LxmlError, ValueError):
        return None


def _bound(root: html.HtmlElement) -> None:
    """Drop what is nested absurdly deep, and what comes after the first MAX_ELEMENTS."""
    level = [root]
    for _ in range(MAX_DEPTH):
        level = [child for element in level for child in element]
    _remove(level)
    _remove(list(itertools.islice(root.iter(), MAX_ELEMENTS, None)))


def _remove(elements: list[html.HtmlElement]) -> None:
    for element in elements:
        parent = element.getparent()
        if parent is not None:
            parent.remove(element)


def _main_text(root: html.HtmlElement) -> str:
    # Heavy (0.5 s of CPU and nltk's data); only a gateway that has fetched a page pays for it.
    import trafilatura  # noqa: PLC0415

    try:
        found = trafilatura.extract(root, include_comments=False, include_tables=True)
    except Exception:
        found = None
    return tidy(found or "")


def _title(root: html.HtmlElement) -> str:
    for element in root.iter("title"):
        if line := _line(element):
            return line
    for element in root.iter("meta"):
        if element.get("property", "").lower() == "og:title" and element.get("content"):
            return tidy(element.get("content", ""))[:MAX_LINE]
    return ""


def _language(root: html.HtmlElement) -> str | None:
    found = re.match(r"[a-zA-Z]{2,3}(?=$|[-_])", (root.get("lang") or "").strip())
    return found[0].lower() if found else None


def _published(root: html.HtmlElement) -> str | None:
    """The day of publication (``2025-03-14``) as the page's metadata has it."""
    for element in root.iter("meta"):
        names = (element.get("property"), element.get("name"), element.get("itemprop"))
        known = any((name or "").lower() in _PUBLISHED for name in names)
        if known and (day := _day(element.get("content"))):
            return day
    for element in root.iter("script"):
        found = _JSON_DATE.search(element.text or "")
        if found and (day := _day(found[1])):
            return day
    days = (_day(element.get("datetime")) for element in root.iter("time"))
    return next(filter(None, days), None)


def _day(text: str | None) -> str | None:
    found = _DATE.search(text or "")
    return found[0] if found else None


def _line(element: html.HtmlElement) -> str:
    return " ".join(tidy("".join(element.itertext())).split())[:MAX_LINE]


def _visible(root: html.HtmlElement) -> str:
    """All text of the body, a line for each block; the tree is used up."""
    for element in root.iter(*_BLOCKS):
        element.text = "\n" + (element.text or "")
        element.tail = "\n" + (element.tail or "")
    body = root.find("body")
    return "".join((root if body is None else body).itertext())


def tidy(text: str) -> str:
    """Text without invisible characters, with single spaces and at most one blank line."""
    lines = (_SPACES.sub(" ", line).strip() for line in INVISIBLE.sub("", text).splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def shortened(text: str, limit: int) -> str:
    """At most *limit* characters, cut between words where there is a gap."""
    if len(text) <= limit:
        return text
    cut = text[:limit]
    return (cut.rsplit(None, 1)[0] if " " in cut[-80:] else cut).rstrip()
