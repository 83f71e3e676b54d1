from __future__ import annotations

import socket

import pytest

from steps.sources import authority


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://www.energy.gov/x", "authority"),
        ("https://data.gov.uk/x", "authority"),
        ("https://ec.europa.eu/eurostat", "authority"),
        ("https://csrc.nist.gov/pubs", "authority"),
        ("https://www.w3.org/TR/", "standards"),
        ("https://link.springer.com/article/1", "peer-reviewed"),
        ("https://cs.stanford.edu/p", "university"),
        ("https://www.ox.ac.uk/", "university"),
        ("https://developers.google.com/search", "primary vendor"),
        ("https://sites.google.com/view/x", "not to be cited"),
        ("https://spectrum.ieee.org/a", "established press"),
        ("https://ieee.org/a", "standards"),
        ("https://www.reuters.com/a", "established press"),
        ("https://some-charity.org/", "association"),
        ("https://en.wikipedia.org/wiki/X", "not to be cited"),
        ("https://someone.medium.com/x", "not to be cited"),
        ("https://blog.example.com/", "other"),
        ("http://127.0.0.3:8700/web/x", "other"),
        ("https://notgov/", "other"),
        ("https://gov.evil.example/", "other"),
        ("not an address", "other"),
    ],
)
def test_the_most_specific_rule_decides(url: str, name: str) -> None:
    assert authority.tier(url).name == name


def test_every_tier_gives_its_reason_and_lists_nothing_twice() -> None:
    named = [name for tier in authority.TIERS for name in (*tier.domains, *tier.suffixes)]

    assert all(tier.reason for tier in authority.TIERS)
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("url", "domain"),
    [
        ("https://a.b.nist.gov/x", "nist.gov"),
        ("https://www.foo.co.uk/", "foo.co.uk"),
        ("http://127.0.0.3:8700/x", "127.0.0.3"),
        ("http://127.0.0.4:8700/x", "127.0.0.4"),
        ("http://[::1]:80/", "::1"),
        ("http://localhost/x", "localhost"),
        ("https://gov.uk/x", "gov.uk"),
        ("https://them.github.io/x", "them.github.io"),
        ("https://www.them.wordpress.com/x", "them.wordpress.com"),
        ("https://docs.them.wordpress.com/x", "them.wordpress.com"),
        ("https://wordpress.com/x", "wordpress.com"),
        ("https://github.io/x", "github.io"),
        ("https://shop.them.co.uk/x", "them.co.uk"),
        ("nonsense", ""),
        ("https://[broken", ""),
    ],
)
def test_registered_domain(url: str, domain: str) -> None:
    assert authority.domain(url) == domain


def test_domains_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the suffix list was fetched")

    authority._registered.cache_clear()
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert authority.domain("https://a.example.com.au/") == "example.com.au"


def test_old_pages_lose_rank_unless_canonical() -> None:
    def rank(url: str, year: int | None) -> int:
        return authority.rank(url, year, 2026)

    assert rank("https://w3.org/x", 2009) == rank("https://w3.org/x", 2026)
    assert rank("https://reuters.com/x", 2024) > rank("https://reuters.com/x", None)
    assert rank("https://reuters.com/x", None) > rank("https://reuters.com/x", 2023) > 0


def test_competitors_come_last_and_the_uncitable_not_at_all() -> None:
    assert authority.rank("https://w3.org/x", 2026, 2026, competitor=True) == 10
    assert authority.rank("https://blog.example/x", 2019, 2026) >= 10
    assert authority.rank("https://reddit.com/r", 2026, 2026, competitor=True) == 0


def test_addresses_are_compared_without_fragment_case_and_closing_slash() -> None:
    same = ["https://Site.example/A/", "https://site.example/A#b", "HTTPS://site.example/A"]

    assert len({authority.plain_url(url) for url in same}) == 1
    assert authority.plain_url("https://site.example/a?b=1") != authority.plain_url(
        "https://site.example/a"
    )
    assert authority.plain_url("https://[broken") == ""


def test_two_sites_of_one_host_are_two() -> None:
    sites = ("https://a.github.io/", "https://b.github.io/", "https://a.wordpress.com/")

    assert authority.domains(sites) == {"a.github.io", "b.github.io", "a.wordpress.com"}
    assert list(authority.few_a_domain(sites, str, 1)) == list(sites)


def test_a_shared_host_is_no_better_a_source_for_its_sites_being_told_apart() -> None:
    assert authority.rank("https://them.wordpress.com/x", 2026, 2026) == 0
    assert authority.tier("https://them.blogspot.com/x").name == "not to be cited"


def test_few_are_kept_of_a_domain_in_their_order() -> None:
    names = ("a.com", "www.a.com", "b.com", "blog.a.com", "b.com")
    kept = authority.few_a_domain(names, lambda name: f"https://{name}/", 2)
    assert list(kept) == ["a.com", "www.a.com", "b.com", "b.com"]
