"""The WordPress client, against a small site that keeps posts (with and without our meta field)."""

import base64
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from orchestrator.clients.http import open_session
from orchestrator.clients.wordpress import WordPressClient, words
from orchestrator.errors import Misconfigured, PermanentError, TransientError
from orchestrator.services import PostRequest, PublishRequest
from tests.unit.clients_helpers import Stub, started, told

PASSWORD = "abcd EFGH ijkl MNOP"
ROOT = "/wp-json/wp/v2/posts"
NEW = PublishRequest(
    title="Bees & Trees",
    slug="bees-trees",
    content="<!-- wp:paragraph --><p>Bees &amp; <b>trees</b>.</p>",
    idempotency_key="job_1:publish",
)


@dataclass
class Site:
    """A WordPress of a few lines.

    :param registered: whether it keeps our meta field.
    :param losing: how many times it saves a post and then breaks the connection.
    """

    registered: bool = True
    losing: int = 0
    posts: dict[int, dict] = field(default_factory=dict)
    writes: list[int] = field(default_factory=list)

    def answer(self, seen):
        assert seen.path.startswith(ROOT)
        tail = seen.path.removeprefix(ROOT).strip("/")
        if seen.method == "GET" and not tail:
            wanted = seen.query["slug"].split(",")
            assert (seen.query["status"], seen.query["context"]) == ("any", "edit")
            return web.json_response([p for p in self.posts.values() if p["slug"] in wanted])
        if tail and int(tail) not in self.posts:
            body = {"code": "rest_post_invalid_id", "message": "Invalid post ID."}
            return web.json_response(body, status=404)
        if seen.method == "GET":
            assert seen.query["context"] == "edit"
            return web.json_response(self.posts[int(tail)])
        return self.write(int(tail or len(self.posts) + 11), seen)

    def write(self, number, seen):
        body = seen.body
        slug = body.get("slug") or self.posts[number]["slug"]
        while any(p["slug"] == slug and p["id"] != number for p in self.posts.values()):
            slug = f"{slug}-2"
        raw = {name: {"raw": body[name]} for name in ("title", "content", "excerpt")}
        meta = body["meta"] if self.registered else {"footnotes": ""}
        shown = {"id": number, "slug": slug, "status": body["status"], "meta": meta}
        self.posts[number] = {**shown, **raw, "link": f"https://site.example/{slug}/"}
        self.writes.append(number)
        if self.losing:
            self.losing -= 1
            seen.request.transport.abort()
        return web.json_response(self.posts[number], status=201)


@asynccontextmanager
async def wordpress(site=None, *answers):
    stub = Stub(answers=list(answers), handler=site.answer if site else None)
    async with started(stub), open_session(limit=4, limit_per_host=4) as session:
        yield WordPressClient(session, stub.url, "editor", PASSWORD), stub


async def test_a_post_is_created_with_its_key():
    site = Site()
    async with wordpress(site) as (client, stub):
        post = await client.publish(NEW)
    assert post.model_dump() == {
        "id": 11,
        "title": NEW.title,
        "slug": "bees-trees",
        "content": NEW.content,
        "link": "https://site.example/bees-trees/",
        "status": "draft",
        "modified": "",
    }
    sent = stub.seen[-1]
    basic = base64.b64encode(f"editor:{PASSWORD}".encode()).decode()
    assert sent.headers["Authorization"] == f"Basic {basic}"
    assert sent.headers["Idempotency-Key"] == "job_1:publish"
    assert sent.body["meta"] == {"sota_idempotency_key": "job_1:publish"}


@pytest.mark.parametrize("registered", [True, False])
async def test_a_repeated_creation_gets_the_first_post(registered):
    site = Site(registered)
    async with wordpress(site) as (client, _):
        first = await client.publish(NEW)
        again = await client.publish(NEW)
    assert again == first
    assert site.writes == [11]


@pytest.mark.parametrize("registered", [True, False])
async def test_a_creation_whose_answer_was_lost_is_not_repeated(registered):
    site = Site(registered, losing=1)
    async with wordpress(site) as (client, _):
        with pytest.raises(TransientError):
            await client.publish(NEW)
        post = await client.publish(NEW)
    assert post.id == 11
    assert site.writes == [11]


async def test_a_repetition_finds_its_post_under_a_numbered_slug():
    site = Site()
    async with wordpress(site) as (client, _):
        await client.publish(NEW.model_copy(update={"idempotency_key": "another"}))
        second = await client.publish(NEW)
        again = await client.publish(NEW)
    assert second.slug == "bees-trees-2"
    assert again == second
    assert site.writes == [11, 12]


async def test_another_text_of_the_same_slug_is_another_post():
    site = Site(registered=False)
    async with wordpress(site) as (client, _):
        await client.publish(NEW)
        other = NEW.model_copy(update={"content": "<p>Trees only.</p>", "idempotency_key": "k2"})
        await client.publish(other)
    assert site.writes == [11, 12]


@pytest.mark.parametrize("registered", [True, False])
async def test_an_update_is_written_once(registered):
    site = Site(registered)
    async with wordpress(site) as (client, _):
        await client.publish(NEW)
        change = NEW.model_copy(
            update={"post_id": 11, "content": "<p>New.</p>", "idempotency_key": "job_2:publish"}
        )
        await client.publish(change)
        site.posts[11]["excerpt"] = {"raw": "an editor's"}
        await client.publish(change)
    assert site.writes == [11, 11]
    assert site.posts[11]["excerpt"] == {"raw": "an editor's"}


async def test_publishing_a_draft_without_changes_is_a_change():
    site = Site(registered=False)
    async with wordpress(site) as (client, _):
        await client.publish(NEW)
        public = NEW.model_copy(update={"post_id": 11, "status": "publish"})
        post = await client.publish(public)
    assert post.status == "publish"
    assert site.writes == [11, 11]


READ = "2026-01-02T03:04:05"


@asynccontextmanager
async def an_old_post(modified, status="publish"):
    """A site with a post that is to be refreshed: its client and the update."""
    site = Site()
    async with wordpress(site) as (client, stub):
        await client.publish(NEW)
        site.posts[11] |= {"modified_gmt": modified, "status": status, "meta": {}}
        change = NEW.model_copy(
            update={
                "post_id": 11, "content": "<p>New.</p>", "idempotency_key": "job_2:publish",
                "unchanged_since": READ, "slug": "", "status": "publish",
            }
        )  # fmt: skip
        yield client, change, site, stub


@pytest.mark.parametrize("modified", ["2026-01-02T03:04:05", "2026-01-01T23:59:59", ""])
async def test_a_post_that_was_not_changed_is_updated_and_keeps_its_slug(modified):
    async with an_old_post(modified) as (client, change, site, stub):
        site.posts[11]["slug"] = "an-editors-slug"
        post = await client.publish(change)
    assert (post.content, post.slug) == ("<p>New.</p>", "an-editors-slug")
    assert "slug" not in stub.seen[-1].body
    assert site.writes == [11, 11]


async def test_a_post_that_was_changed_since_is_not_overwritten():
    async with an_old_post("2026-01-02T03:04:06") as (client, change, site, _):
        with pytest.raises(PermanentError, match="changed at 2026-01-02T03:04:06 UTC") as refused:
            await client.publish(change)
    assert "nothing was overwritten" in str(refused.value)
    assert site.writes == [11]


async def test_our_own_change_is_not_taken_for_another():
    async with an_old_post("2026-01-02T03:04:05") as (client, change, site, _):
        site.posts[11]["meta"] = {"sota_idempotency_key": "job_2:publish"}
        site.posts[11]["modified_gmt"] = "2026-01-02T03:09:00"
        post = await client.publish(change)
    assert post.id == 11
    assert site.writes == [11]


@pytest.mark.parametrize("status", ["publish", "future", "draft", "pending"])
async def test_a_draft_takes_nothing_off_the_site(status):
    async with an_old_post("", status) as (client, change, site, _):
        draft = change.model_copy(update={"status": "draft", "slug": "bees-trees"})
        if status in {"draft", "pending"}:
            assert (await client.publish(draft)).status == "draft"
        else:
            with pytest.raises(PermanentError, match="would be taken off the site"):
                await client.publish(draft)
    assert site.writes == ([11, 11] if status in {"draft", "pending"} else [11])


async def test_structured_data_goes_into_a_field_of_its_own():
    async with wordpress(Site()) as (client, stub):
        await client.publish(NEW.model_copy(update={"json_ld": '{"@type":"Article"}'}))
    assert stub.seen[-1].body["meta"]["sota_json_ld"] == '{"@type":"Article"}'
    assert stub.seen[-1].body["content"] == NEW.content


async def test_a_post_is_read_raw():
    site = Site()
    async with wordpress(site) as (client, stub):
        await client.publish(NEW)
        post = await client.get_post(PostRequest(post_id=11, idempotency_key="k"))
    assert post.content == NEW.content
    assert stub.seen[-1].query == {"context": "edit"}


async def test_a_missing_post_is_named():
    async with wordpress(Site()) as (client, _):
        with pytest.raises(PermanentError, match="post 99 does not exist: check postId"):
            await client.get_post(PostRequest(post_id=99, idempotency_key="k"))
        with pytest.raises(PermanentError, match="post 99 does not exist"):
            await client.publish(NEW.model_copy(update={"post_id": 99}))


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Misconfigured), (403, Misconfigured), (429, TransientError), (503, TransientError)],
)
async def test_statuses_become_our_errors(status, kind):
    echo = {"code": "x", "message": f"wrong: {PASSWORD}"}
    async with wordpress(None, (status, echo)) as (client, _):
        with pytest.raises(kind) as caught:
            await client.get_post(PostRequest(post_id=1, idempotency_key="k"))
    assert type(caught.value) is kind
    assert PASSWORD not in told(caught.value)
    if kind is Misconfigured:
        assert "WORDPRESS_APP_PASSWORD is refused" in str(caught.value)


async def test_a_reason_of_the_site_is_passed_on():
    refusal = (403, {"code": "x", "message": "Sorry, you are not allowed to edit this post."})
    async with wordpress(None, refusal) as (client, _):
        with pytest.raises(Misconfigured, match="not allowed to edit"):
            await client.get_post(PostRequest(post_id=1, idempotency_key="k"))


async def test_a_site_that_moved_is_named():
    moved = (301, "", {"Location": "https://www.site.example/wp-json/x"})
    async with wordpress(None, moved) as (client, _):
        with pytest.raises(Misconfigured, match=r"redirects to https://www\.site\.example: set"):
            await client.get_post(PostRequest(post_id=1, idempotency_key="k"))


@pytest.mark.parametrize("post", [{"id": 1, "content": {"rendered": "x"}}, {}, []])
async def test_a_post_without_raw_content_is_refused(post):
    async with wordpress(None, (200, post)) as (client, _):
        with pytest.raises(PermanentError, match="raw content"):
            await client.get_post(PostRequest(post_id=1, idempotency_key="k"))


async def test_missing_settings_are_named():
    async with open_session(limit=1, limit_per_host=1) as session:
        with pytest.raises(Misconfigured, match="WORDPRESS_BASE_URL, WORDPRESS_APP_PASSWORD not"):
            WordPressClient(session, "", "editor", "")


def test_words_ignore_markup():
    left = words("<!-- wp:x --><p class='a'>Bees &amp; trees&nbsp;grow</p>")
    assert left == words("Bees <b>&</b> trees\n grow") == ["Bees", "trees", "grow"]
    assert words("<!-- <!-- a --> b <!--" + "<" * 50_000) == ["b"]
