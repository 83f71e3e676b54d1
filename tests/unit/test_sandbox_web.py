"""Serper, WordPress and the small web, over HTTP."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from orchestrator.sandbox import WEB_HOSTS, sandbox_environment
from orchestrator.sandbox.environment import SANDBOX_PASSWORD, SANDBOX_USER
from orchestrator.sandbox.results import search_results
from orchestrator.sandbox.server import serve
from orchestrator.sandbox.sites import GUIDES, SITES
from tests.sandbox_helpers import Clock, Naps, plain

POSTS = "/wordpress/wp-json/wp/v2/posts"


def login(user: str = SANDBOX_USER, password: str = SANDBOX_PASSWORD) -> dict[str, str]:
    return {"Authorization": aiohttp.encode_basic_auth(user, password)}


LOGIN = login()
YEAR = 2026


class Sandbox:
    def __init__(self, port: int, session: aiohttp.ClientSession) -> None:
        self.port = port
        self.session = session
        self.base = f"http://127.0.0.1:{port}"

    async def call(self, method: str, path: str, **more: Any) -> tuple[Any, Any]:
        url = path if path.startswith("http") else f"{self.base}{path}"
        async with self.session.request(method, url, **more) as response:
            html = response.content_type == "text/html"
            body = await response.text() if html else await response.json(content_type=None)
            return response, body

    async def search(self, query: str, num: int = 10) -> Any:
        asked = {"q": query, "gl": "us", "hl": "en", "num": num}
        _, body = await self.call(
            "POST", "/serper/search", json=asked, headers={"X-API-KEY": "key"}
        )
        return body


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with (
        serve(0, sleep=Naps(), clock=Clock()) as port,
        aiohttp.ClientSession() as session,
    ):
        yield Sandbox(port, session)


# -- Serper ----------------------------------------------------------------------------


async def test_a_search_has_serpers_shape(sandbox: Sandbox) -> None:
    body = await sandbox.search("AI in SEO")

    assert body["searchParameters"]["q"] == "AI in SEO"
    assert body["credits"] == 1
    assert [result["position"] for result in body["organic"]] == list(range(1, 11))
    assert all({"title", "link", "snippet", "date"} <= result.keys() for result in body["organic"])
    assert all(item["question"].endswith("?") for item in body["peopleAlsoAsk"])
    assert len(body["relatedSearches"]) >= 4


async def test_the_same_search_has_the_same_results_and_another_one_others(
    sandbox: Sandbox,
) -> None:
    first, again = await sandbox.search("AI in SEO"), await sandbox.search("AI in SEO")
    other = await sandbox.search("sourdough starter")

    assert first == again
    links = {result["link"] for result in first["organic"]}
    assert links.isdisjoint(result["link"] for result in other["organic"])


async def test_without_a_key_serper_says_403_in_its_words(sandbox: Sandbox) -> None:
    response, body = await sandbox.call("POST", "/serper/search", json={"q": "x"})

    assert response.status == 403
    assert body == {"message": "Unauthorized.", "statusCode": 403}


@pytest.mark.parametrize("body", [{}, {"q": "  "}, ["q"]])
async def test_without_a_query_serper_says_400(sandbox: Sandbox, body: Any) -> None:
    response, _ = await sandbox.call(
        "POST", "/serper/search", json=body, headers={"X-API-KEY": "key"}
    )

    assert response.status == 400


def test_a_search_for_sources_finds_reports_of_several_sites() -> None:
    found = search_results("AI in SEO 2026 research data official", 20, WEB_HOSTS, 80, Clock().now)

    hosts = {urlsplit(result["link"]).hostname for result in found["organic"]}
    assert len(hosts) >= 6
    assert all("/report-" in r["link"] or "-report-" in r["link"] for r in found["organic"])


def test_reports_do_not_carry_the_whole_keyword_in_their_titles() -> None:
    for keyword in ("AI in SEO", "email marketing for small business"):
        found = search_results(f"{keyword} 2026 research data", 20, WEB_HOSTS, 80, Clock().now)
        titles = [result["title"].lower() for result in found["organic"]]
        assert not [title for title in titles if keyword.lower() in title]


# -- the small web ---------------------------------------------------------------------


async def test_the_first_results_can_be_read_and_keep_their_titles(sandbox: Sandbox) -> None:
    results = (await sandbox.search("AI in SEO"))["organic"][:3]

    for result in results:
        response, page = await sandbox.call("GET", result["link"])
        assert response.status == 200
        assert f"<title>{result['title']}</title>" in page
        assert re.search(r"<h2>.*<h3>.*<p>", page, re.DOTALL) or page.count("<h2>") >= 2
        assert re.search(r"\b20[12]\d\b", plain(page))


async def test_sites_cover_different_subtopics_so_that_gaps_remain() -> None:
    covered = [set(site.covers) for site in GUIDES]

    assert len({frozenset(one) for one in covered}) == len(covered)
    assert set.union(*covered) > set.intersection(*covered)
    assert any(sum(slug in one for one in covered) == 1 for slug in set.union(*covered))


async def test_every_site_has_a_host_of_its_own(sandbox: Sandbox) -> None:
    assert len(WEB_HOSTS) >= len(SITES)
    response, _ = await sandbox.call(
        "GET", f"http://{WEB_HOSTS[-1]}:{sandbox.port}/web/field-notes/ai-in-seo-guide"
    )
    assert response.status == 200


@pytest.mark.parametrize(
    ("slug", "status", "part"),
    [
        ("dead-ai-guide", 404, "gone"),
        ("soft404-ai-guide", 200, "could not find that page"),
        ("forbidden-ai-guide", 403, "Forbidden"),
        ("moved-ai-guide", 200, "<article>"),
        ("slow-ai-guide", 200, "<article>"),
        ("ai-guide", 200, "<article>"),
    ],
)
async def test_a_page_behaves_as_its_slug_says(
    sandbox: Sandbox, slug: str, status: int, part: str
) -> None:
    response, page = await sandbox.call("GET", f"/web/field-notes/{slug}")

    assert (response.status, part in page) == (status, True)
    assert len(response.history) == (1 if slug.startswith("moved") else 0)


async def test_a_page_is_the_same_every_time_and_carries_noise_to_remove(sandbox: Sandbox) -> None:
    _, first = await sandbox.call("GET", "/web/north-studio/ai-in-seo-guide")
    _, again = await sandbox.call("GET", "/web/north-studio/ai-in-seo-guide")

    assert first == again
    assert all(mark in first for mark in ("<nav>", "<script>", "display:none", "<aside>"))


async def test_slow_pages_take_longer_than_a_fetcher_waits() -> None:
    naps = Naps()
    async with (
        serve(0, profile="live", sleep=naps, clock=Clock()) as port,
        aiohttp.ClientSession() as session,
    ):
        url = f"http://127.0.0.1:{port}/web/field-notes/slow-ai-guide"
        async with session.get(url) as response:
            assert response.status == 200

    assert sum(naps.taken) > 10


# -- WordPress -------------------------------------------------------------------------


async def test_the_sample_post_has_media_embeds_and_a_shortcode(sandbox: Sandbox) -> None:
    response, post = await sandbox.call("GET", f"{POSTS}/101?context=edit", headers=LOGIN)

    raw = post["content"]["raw"]
    assert response.status == 200
    assert raw.count("<img") == 6
    assert raw.count("<!-- wp:embed") + raw.count("<iframe") == 2
    assert '[gallery ids="1,2"]' in raw
    assert raw.startswith("<!-- wp:paragraph")
    assert 1500 <= len(plain(re.sub(r"<!--.*?-->", "", raw, flags=re.DOTALL)).split()) <= 1600
    assert "srcset=" in raw
    links = re.findall(r'<a href="(http://[^"]+)"', raw)
    assert [(await sandbox.call("GET", link))[0].status for link in links] == [200, 404]
    assert "<!-- wp:" not in post["content"]["rendered"]


async def test_raw_content_is_for_editors_only(sandbox: Sandbox) -> None:
    response, body = await sandbox.call("GET", f"{POSTS}/101?context=edit")
    assert (response.status, body["code"]) == (401, "rest_forbidden_context")

    response, body = await sandbox.call("GET", f"{POSTS}/101")
    assert response.status == 200
    assert "raw" not in body["content"]


async def test_a_post_is_created_found_updated_and_counted_by_key(sandbox: Sandbox) -> None:
    fields = {"title": "On bees", "content": "<p>Bees.</p>", "slug": "bees", "meta": {"job": "j1"}}
    headers = {"Idempotency-Key": "job_1:publish"}
    response, post = await sandbox.call("POST", POSTS, json=fields, headers={**LOGIN, **headers})
    assert response.status == 201
    assert response.headers["Location"].endswith(f"/posts/{post['id']}")
    assert (post["status"], post["slug"], post["meta"]) == ("draft", "bees", {"job": "j1"})
    assert post["content"]["raw"] == "<p>Bees.</p>"

    published = await sandbox.call("GET", f"{POSTS}?slug=bees", headers=LOGIN)
    drafts = await sandbox.call("GET", f"{POSTS}?search=bees&status=any", headers=LOGIN)
    assert published[1] == []
    assert [found["id"] for found in drafts[1]] == [post["id"]]
    assert drafts[0].headers["X-WP-Total"] == "1"

    change = {"status": "publish", "content": {"raw": "<p>Wasps.</p>"}}
    path = f"{POSTS}/{post['id']}"
    _, changed = await sandbox.call("POST", path, json=change, headers={**LOGIN, **headers})
    assert (changed["status"], changed["content"]["raw"]) == ("publish", "<p>Wasps.</p>")
    assert changed["title"]["raw"] == "On bees"
    assert (await sandbox.call("GET", f"{POSTS}?slug=bees"))[1][0]["id"] == post["id"]
    assert (await sandbox.call("GET", "/sandbox/stats"))[1]["writes"] == {"job_1:publish": 2}


async def test_the_same_create_twice_makes_two_posts_as_on_a_real_site(sandbox: Sandbox) -> None:
    slugs = [
        (await sandbox.call("POST", POSTS, json={"title": "On bees"}, headers=LOGIN))[1]["slug"]
        for _ in range(2)
    ]

    assert slugs == ["on-bees", "on-bees-2"]


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "code"),
    [
        ("GET", f"{POSTS}/999", {}, 404, "rest_post_invalid_id"),
        ("POST", POSTS, {"json": {"title": "x"}}, 401, "rest_cannot_create"),
        ("POST", f"{POSTS}/999", {"json": {}, "headers": LOGIN}, 404, "rest_post_invalid_id"),
        ("POST", POSTS, {"data": b"{", "headers": LOGIN}, 400, "rest_invalid_json"),
        ("POST", POSTS, {"json": {"status": "x"}, "headers": LOGIN}, 400, "rest_invalid_param"),
        ("GET", f"{POSTS}?per_page=500", {}, 400, "rest_invalid_param"),
        ("GET", f"{POSTS}?status=draft", {}, 400, "rest_invalid_param"),
        (
            "GET",
            f"{POSTS}/101",
            {"headers": login(password="wrong")},
            401,
            "incorrect_password",
        ),
        (
            "GET",
            f"{POSTS}/101",
            {"headers": login(user="nobody")},
            401,
            "invalid_username",
        ),
    ],
)
async def test_refusals_have_the_rest_apis_codes(
    sandbox: Sandbox, method: str, path: str, options: Any, status: int, code: str
) -> None:
    response, body = await sandbox.call(method, path, **options)

    assert (response.status, body["code"], body["data"]["status"]) == (status, code, status)


def test_the_environment_names_every_setting_of_the_clients() -> None:
    environment = sandbox_environment(8700)

    assert environment["SERPER_BASE_URL"] == "http://127.0.0.1:8700/serper"
    assert '"127.0.0.1:8700"' in environment["SOTA_FETCH_ALLOW_HOSTS"]
    assert set(environment) == {
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL",
        "SERPER_API_KEY",
        "SERPER_BASE_URL",
        "SOTA_FETCH_ALLOW_HOSTS",
        "SOTA_FETCH_ONLY_ALLOWED",
        "WORDPRESS_APP_PASSWORD",
        "WORDPRESS_BASE_URL",
        "WORDPRESS_USER",
    }
