"""Which sources an article may rely on: written rules, each with its reason.

A rule gives an address a rank, 0 (not to be cited) to 100. Ranks order candidates before the
model sees them and stand in for its choice when it is out of reach.
"""

from __future__ import annotations

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import TypeVar
from urllib.parse import urlsplit

from steps.language.text import listed

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Tier:
    """A kind of source.

    :param canonical: whether an old page of it still stands (a standard, a law, a study).
    :param suffixes: public suffixes or ends of host names that belong to it.
    :param domains: registered domains or whole host names that belong to it.
    """

    name: str
    rank: int
    canonical: bool
    reason: str
    suffixes: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()


TIERS: tuple[Tier, ...] = (
    Tier(
        name="authority",
        rank=100,
        canonical=True,
        reason="governments and their statistical offices publish the primary figures and rules",
        suffixes=listed(
            "gov mil int gov.uk gov.au gov.ca gc.ca gov.in gov.ie govt.nz gov.sg gov.za gov.br "
            "gouv.fr bund.de gob.es gob.mx gov.it gov.pl gov.pt go.jp go.kr gov.cn admin.ch "
            "europa.eu"
        ),
        domains=listed(
            "un.org oecd.org worldbank.org imf.org wto.org destatis.de insee.fr istat.it ine.es "
            "cbs.nl ssb.no scb.se dst.dk statcan.gc.ca bfs.admin.ch nhs.uk canada.ca iea.org "
            "ecb.europa.eu bis.org federalreserve.gov"
        ),
    ),
    Tier(
        name="standards",
        rank=95,
        canonical=True,
        reason="standards bodies define the terms and methods others only describe",
        domains=listed(
            "w3.org ietf.org rfc-editor.org iso.org iec.ch itu.int ieee.org whatwg.org "
            "unicode.org ecma-international.org etsi.org ansi.org bsigroup.com din.de astm.org "
            "cen.eu schema.org owasp.org oasis-open.org omg.org khronos.org icann.org iana.org "
            "ifrs.org fasb.org pcisecuritystandards.org cncf.io astralliance.org gs1.org"
        ),
    ),
    Tier(
        name="peer-reviewed",
        rank=92,
        canonical=True,
        reason="peer-reviewed work has been checked by others of the field",
        domains=listed(
            "nature.com science.org sciencedirect.com springer.com link.springer.com wiley.com "
            "onlinelibrary.wiley.com tandfonline.com sagepub.com oup.com academic.oup.com "
            "cambridge.org plos.org pnas.org cell.com thelancet.com nejm.org bmj.com "
            "jamanetwork.com frontiersin.org acm.org aps.org acs.org rsc.org iop.org jstor.org "
            "cochranelibrary.com cochrane.org doi.org europepmc.org aclanthology.org jmlr.org "
            "royalsocietypublishing.org annualreviews.org usenix.org nber.org"
        ),
    ),
    Tier(
        name="university",
        rank=88,
        canonical=True,
        reason="universities publish research and answer for it with their name",
        suffixes=listed(
            "edu edu.au edu.sg edu.cn edu.hk edu.in edu.br ac.uk ac.nz ac.jp ac.kr ac.il ac.za "
            "ac.in ac.at"
        ),
        domains=listed(
            "ethz.ch epfl.ch tum.de lmu.de fraunhofer.de mpg.de helmholtz.de cnrs.fr inria.fr "
            "tudelft.nl kuleuven.be uva.nl ku.dk kth.se uio.no helsinki.fi utoronto.ca ubc.ca "
            "mcgill.ca"
        ),
    ),
    Tier(
        name="primary vendor",
        rank=80,
        canonical=False,
        reason="makers of a thing document what it does; they are partial on what it is worth",
        domains=listed(
            "developers.google.com support.google.com cloud.google.com blog.google web.dev "
            "developer.chrome.com learn.microsoft.com docs.microsoft.com developer.apple.com "
            "support.apple.com docs.aws.amazon.com developer.mozilla.org openai.com "
            "anthropic.com huggingface.co nvidia.com docs.nvidia.com intel.com amd.com arm.com "
            "docs.oracle.com redhat.com docs.docker.com kubernetes.io python.org docs.python.org "
            "postgresql.org mysql.com sqlite.org apache.org linuxfoundation.org rust-lang.org "
            "go.dev nodejs.org react.dev wordpress.org developer.wordpress.org docs.github.com "
            "docs.gitlab.com shopify.dev stripe.com developers.facebook.com help.shopify.com "
            "developer.salesforce.com docs.ray.io siemens.com bosch.com tesla.com sap.com "
            "bing.com blogs.bing.com search.google.com"
        ),
    ),
    Tier(
        name="research institute",
        rank=75,
        canonical=False,
        reason="institutes that publish their method along with their figures",
        domains=listed(
            "pewresearch.org rand.org brookings.edu gallup.com kff.org ourworldindata.org "
            "nielsen.com ipcc.ch weforum.org arxiv.org biorxiv.org medrxiv.org ssrn.com "
            "nngroup.com gartner.com forrester.com idc.com mckinsey.com bcg.com deloitte.com "
            "pwc.com hbr.org statista.com eurofound.europa.eu bruegel.org chathamhouse.org "
            "consumerreports.org which.co.uk httparchive.org similarweb.com"
        ),
    ),
    Tier(
        name="established press",
        rank=65,
        canonical=False,
        reason="newsrooms with editors and corrections",
        domains=listed(
            "reuters.com apnews.com bbc.com bbc.co.uk ft.com economist.com nytimes.com wsj.com "
            "washingtonpost.com theguardian.com bloomberg.com npr.org lemonde.fr spiegel.de "
            "zeit.de faz.net nzz.ch elpais.com nikkei.com technologyreview.com wired.com "
            "arstechnica.com spectrum.ieee.org scientificamerican.com newscientist.com "
            "nationalgeographic.com cnbc.com axios.com"
        ),
    ),
    Tier(
        name="association",
        rank=50,
        canonical=False,
        reason="associations know their field but speak for their members",
        suffixes=listed("org org.uk org.au ngo"),
    ),
    Tier(
        name="not to be cited",
        rank=0,
        canonical=False,
        reason="user-generated, social, shop or answer pages: no one answers for what they say",
        domains=listed(
            "facebook.com instagram.com x.com twitter.com tiktok.com pinterest.com reddit.com "
            "quora.com linkedin.com youtube.com youtu.be tumblr.com medium.com substack.com "
            "wikipedia.org wikihow.com fandom.com answers.com stackexchange.com "
            "stackoverflow.com amazon.com ebay.com etsy.com aliexpress.com alibaba.com "
            "walmart.com yelp.com tripadvisor.com glassdoor.com indeed.com scribd.com "
            "slideshare.net issuu.com academia.edu coursehero.com chegg.com brainly.com "
            "blogspot.com wordpress.com wixsite.com weebly.com sites.google.com docs.google.com "
            "prnewswire.com businesswire.com globenewswire.com einpresswire.com"
        ),
    ),
)

COMMON = Tier(
    name="other",
    rank=40,
    canonical=False,
    reason="no rule names it: it is judged by what it says",
)

COMPETITOR_RANK = 10
"""Pages that rank for the same keyword come last: citing them helps them, not the reader."""

SHARED_HOSTS = (
    "wordpress.com", "substack.com", "medium.com", "tumblr.com", "weebly.com", "typepad.com",
    "ghost.io", "squarespace.com", "livejournal.com", "over-blog.com", "tistory.com", "beehiiv.com",
    "hashnode.dev",
)  # fmt: skip
"""Hosts that give everybody a name of their own and do not stand in the private part of the public
suffix list, which is kept by the hosts themselves (publicsuffix.org)."""

RECENT_YEARS = 2
"""Figures older than this are outdated unless their source is canonical (PIPELINE section 6)."""

UNDATED, STALE = -5, -30
"""What a missing and an old date cost a source that is not canonical, in ranks."""


def tier(url: str) -> Tier:
    """The tier of an address: the most specific rule for its host wins, then its suffix."""
    names = _names(host(url))
    for wanted in names:
        for kind in TIERS:
            if wanted in kind.domains or wanted in kind.suffixes:
                return kind
    return COMMON


def rank(url: str, year: int | None, current_year: int, *, competitor: bool = False) -> int:
    """How much a source is to be preferred, 0-100; 0 means that it is not to be cited."""
    kind = tier(url)
    if competitor and kind.rank:
        return COMPETITOR_RANK
    if kind.canonical or not kind.rank or (year and year >= current_year - RECENT_YEARS):
        return kind.rank
    return max(1, kind.rank + (UNDATED if year is None else STALE))


def host(url: str) -> str:
    """The host of an address in lower case, without ``www.``; ``""`` when it has none."""
    try:
        name = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return ""
    return name.removeprefix("www.")


def plain_url(url: str) -> str:
    """The address in the form in which two are compared: no fragment, no closing slash, host in
    lower case; ``""`` for what is no address."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return ""
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}{query}"


def domain(url: str) -> str:
    """The registered domain of an address, from the offline suffix list with its private part: on
    a host where anybody may have a site, each site is one (``them.github.io``).

    An IP address, a name without a dot and a bare public suffix are their own domain.
    """
    name = host(url)
    return name if not name or _is_ip(name) else _registered()(name) or name


def domains(urls: Iterable[str]) -> frozenset[str]:
    """The registered domains of these addresses."""
    return frozenset(domain(url) for url in urls) - {""}


def few_a_domain(found: Iterable[T], url: Callable[[T], str], most: int) -> Iterator[T]:
    """What is *found* in order, without what comes after *most* of the same registered domain."""
    counts: Counter[str] = Counter()
    for one in found:
        name = domain(url(one))
        counts[name] += 1
        if counts[name] <= most:
            yield one


def _names(name: str) -> list[str]:
    """The host and every parent of it: ``a.b.org``, ``b.org``, ``org``; an IP has no parent."""
    if not name or _is_ip(name):
        return [name]
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]


def _is_ip(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@cache
def _registered() -> Callable[[str], str]:
    import tldextract  # noqa: PLC0415 - brings an HTTP client along; only two steps need it

    extract = tldextract.TLDExtract(
        suffix_list_urls=(),
        cache_dir=None,
        include_psl_private_domains=True,
        extra_suffixes=SHARED_HOSTS,
    )

    def one(name: str) -> str:
        return str(extract(name).top_domain_under_public_suffix)

    return one
