"""WordPress posts over its REST API, with an application password.

Writing at most once: the idempotency key goes into the post's meta field :data:`KEY_META`, and
before a post is created it is looked for. WordPress keeps a meta field only where the site has
registered it (``register_post_meta('post', 'sota_idempotency_key', ['type' => 'string', 'single'
=> true, 'show_in_rest' => true])``) and drops it silently elsewhere, so a post of the same slug
with the same title and the same words counts as written too. What remains open is two creations
of one key at the same moment, which the job's epoch rules out.
"""

from __future__ import annotations

import base64
import html
import re
import time
from collections.abc import Callable
from typing import Any

import aiohttp

from orchestrator.clients.http import JsonApi
from orchestrator.errors import Misconfigured, PermanentError
from orchestrator.services import Post, PostRequest, PublishRequest

SERVICE = "wordpress"
TIMEOUT = 30.0
"""Seconds; a shared host with many plug-ins takes several to save a post."""

POSTS = "/wp-json/wp/v2/posts"
KEY_META = "sota_idempotency_key"
JSON_LD_META = "sota_json_ld"
"""Where structured data goes: in the post's text WordPress would take its script apart."""

PUBLIC = frozenset({"publish", "future"})
"""Statuses of posts that readers see, or will."""

NUMBERED = 10
"""How many of WordPress's numbered slugs (``name-2``, ``name-3``...) a search looks at."""


_TAGS = re.compile(r"<!--(?:(?!<!--).)*?-->|<[^<>]*>", re.DOTALL)


class WordPressClient:
    """Reads and writes posts.

    :param user: ``WORDPRESS_USER``.
    :param password: ``WORDPRESS_APP_PASSWORD``.
    :param clock: epoch seconds.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        base_url: str,
        user: str,
        password: str,
        *,
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        _check_settings(base_url, user, password)
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._api = JsonApi(
            session,
            SERVICE,
            base_url,
            key_setting="WORDPRESS_USER with WORDPRESS_APP_PASSWORD",
            url_setting="WORDPRESS_BASE_URL",
            headers={"Authorization": f"Basic {basic}"},
            private=(password, basic),
            timeout=timeout,
            clock=clock,
        )

    async def get_post(self, request: PostRequest) -> Post:
        """A post with its raw block markup.

        :raises PermanentError: there is no such post, or it may not be edited.
        """
        return post_from(await self._read(request.post_id, request.idempotency_key))

    async def publish(self, request: PublishRequest) -> Post:
        """Create or update a post; a repetition gets the post as it stands.

        :raises PermanentError: the post to update is missing, was changed in the meantime or would
            be taken off the site, or the site refuses.
        """
        found = await self._found(request)
        written = _written(found, request)
        if written is not None:
            return post_from(written)
        if request.post_id is not None:
            _check_update(found[0], request)
        path = POSTS if request.post_id is None else f"{POSTS}/{request.post_id}"
        data = await self._api.call(
            "POST",
            path,
            key=request.idempotency_key,
            body=_fields(request),
            private=(request.title, request.content, request.excerpt),
        )
        return post_from(data)

    async def _found(self, request: PublishRequest) -> list[dict[str, Any]]:
        """The post to update, or the posts that an earlier call may have made."""
        if request.post_id is not None:
            return [await self._read(request.post_id, request.idempotency_key)]
        return await self._of_slug(request)

    async def _of_slug(self, request: PublishRequest) -> list[dict[str, Any]]:
        slugs = [request.slug, *(f"{request.slug}-{n}" for n in range(2, NUMBERED + 1))]
        query = {
            "slug": ",".join(slugs),
            "status": "any",
            "context": "edit",
            "per_page": str(NUMBERED),
        }
        data = await self._api.call("GET", POSTS, key=request.idempotency_key, params=query)
        return [post for post in data if isinstance(post, dict)] if isinstance(data, list) else []

    async def _read(self, post_id: int, key: str) -> dict[str, Any]:
        path = f"{POSTS}/{post_id}"
        try:
            data = await self._api.call("GET", path, key=key, params={"context": "edit"})
        except PermanentError as error:
            if error.status != 404:
                raise
            problem = f"post {post_id} does not exist: check postId and WORDPRESS_BASE_URL"
            raise PermanentError(SERVICE, problem, status=404) from None
        return data if isinstance(data, dict) else {}


def _check_settings(base_url: str, user: str, password: str) -> None:
    given = {
        "WORDPRESS_BASE_URL": base_url,
        "WORDPRESS_USER": user,
        "WORDPRESS_APP_PASSWORD": password,
    }
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise Misconfigured(SERVICE, f"{', '.join(missing)} not set: needed to reach the site")


def _written(found: list[dict[str, Any]], request: PublishRequest) -> dict[str, Any] | None:
    """The post that an earlier call with this key has left, if any."""
    keyed = (post for post in found if _key_of(post) == request.idempotency_key)
    alike = (post for post in found if not _key_of(post) and is_same(post, request))
    return next(keyed, None) or next(alike, None)


def _check_update(post: dict[str, Any], request: PublishRequest) -> None:
    """Raise :class:`PermanentError` if *post* must not be overwritten."""
    modified, known = _modified(post), request.unchanged_since
    if known and modified > known:
        problem = f"was changed at {modified} UTC, after {known}: nothing was overwritten"
        remedy = "refresh it again, or take the article from the result"
        raise PermanentError(SERVICE, f"post {request.post_id} {problem}; {remedy}", status=409)
    if request.status == "draft" and post.get("status") in PUBLIC:
        problem = f"post {request.post_id} is public, and as a draft would be taken off the site"
        raise PermanentError(
            SERVICE, f"{problem}; send publish true, or a refresh without postId", status=409
        )


def _fields(request: PublishRequest) -> dict[str, Any]:
    meta = {KEY_META: request.idempotency_key}
    if request.json_ld:
        meta[JSON_LD_META] = request.json_ld
    fields = {
        "title": request.title,
        "slug": request.slug,
        "content": request.content,
        "excerpt": request.excerpt,
        "status": request.status,
        "meta": meta,
    }
    return {name: value for name, value in fields.items() if value or name != "slug"}


def post_from(data: Any) -> Post:
    """A post as the REST API shows it for editing.

    :raises PermanentError: the raw markup is missing.
    """
    post = data if isinstance(data, dict) else {}
    content = _raw(post, "content")
    if content is None or not isinstance(post.get("id"), int):
        problem = "the answer has no raw content: the user must be allowed to edit the post"
        raise PermanentError(SERVICE, problem)
    return Post(
        id=post["id"],
        title=_raw(post, "title") or "",
        slug=str(post.get("slug") or ""),
        content=content,
        link=str(post.get("link") or ""),
        status=str(post.get("status") or ""),
        modified=_modified(post),
    )


def is_same(post: dict[str, Any], request: PublishRequest) -> bool:
    """Whether *post* already is what *request* would write, by its words.

    Words only, because a site may rewrite markup when it saves. An update also needs the status
    to agree: publishing a draft unchanged is a change.
    """
    if request.post_id is not None and post.get("status") != request.status:
        return False
    same_title = words(_raw(post, "title") or "") == words(request.title)
    return same_title and words(_raw(post, "content") or "") == words(request.content)


def words(markup: str) -> list[str]:
    """The words of a piece of HTML, without tags and comments."""
    return re.findall(r"\w+", html.unescape(_TAGS.sub(" ", markup)))


def _raw(post: dict[str, Any], name: str) -> str | None:
    value = post.get(name)
    raw = value.get("raw") if isinstance(value, dict) else None
    return raw if isinstance(raw, str) else None


def _modified(post: dict[str, Any]) -> str:
    return str(post.get("modified_gmt") or "")


def _key_of(post: dict[str, Any]) -> str:
    meta = post.get("meta")
    return str(meta.get(KEY_META) or "") if isinstance(meta, dict) else ""
