"""WordPress REST: ``/wp-json/wp/v2/posts``, with application passwords.

As on a real site, nothing is de-duplicated: whoever repeats a create gets a second post. The
posts created and changed are counted per Idempotency-Key in the sandbox's statistics.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

from aiohttp import web

from orchestrator.sandbox.environment import SANDBOX_PASSWORD, SANDBOX_USER
from orchestrator.sandbox.posts import FIELDS, STATUSES, StoredPost
from orchestrator.sandbox.state import SANDBOX, Sandbox, key_of

ROOT = "/wordpress/wp-json/wp/v2"


class WpError(Exception):
    """A REST error: a code, a message and a status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


def error_body(status: int, code: str, message: str) -> dict[str, Any]:
    """An error in the shape of the WordPress REST API."""
    return {"code": code, "message": message, "data": {"status": status}}


def signed_in(request: web.Request) -> bool:
    """Whether the request carries the right user and password; raises when they are wrong.

    WordPress ignores the spaces it shows in application passwords.
    """
    header = request.headers.get("Authorization", "")
    if not header:
        return False
    scheme, _, encoded = header.partition(" ")
    try:
        user, _, password = base64.b64decode(encoded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        user = password = ""
    if scheme.lower() != "basic" or user != SANDBOX_USER:
        raise WpError(401, "invalid_username", "Unknown username.")
    if password.replace(" ", "") != SANDBOX_PASSWORD.replace(" ", ""):
        raise WpError(
            401, "incorrect_password", "The provided password is an invalid application password."
        )
    return True


def _base(request: web.Request) -> str:
    return f"{request.url.origin()}/wordpress"


def _edit_context(request: web.Request, allowed: bool) -> bool:
    edit = request.query.get("context") == "edit"
    if edit and not allowed:
        message = "Sorry, you are not allowed to edit posts in this post type."
        raise WpError(401, "rest_forbidden_context", message)
    return edit


def _find(sandbox: Sandbox, request: web.Request, allowed: bool) -> StoredPost:
    post = sandbox.posts.posts.get(int(request.match_info["id"]))
    if post is None:
        raise WpError(404, "rest_post_invalid_id", "Invalid post ID.")
    if post.status != "publish" and not allowed:
        raise WpError(401, "rest_forbidden", "Sorry, you are not allowed to do that.")
    return post


async def _fields(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        raise WpError(400, "rest_invalid_json", "Invalid JSON body passed.") from None
    if not isinstance(body, dict):
        raise WpError(400, "rest_invalid_json", "Invalid JSON body passed.")
    for name in FIELDS:  # a field may be sent as {"raw": ...}, the way it is read
        if isinstance(body.get(name), dict):
            body[name] = body[name].get("raw", "")
    if body.get("status", "draft") not in STATUSES:
        raise WpError(400, "rest_invalid_param", "Invalid parameter(s): status")
    return body


def _writer(request: web.Request) -> None:
    if not signed_in(request):
        message = "Sorry, you are not allowed to create posts as this user."
        raise WpError(401, "rest_cannot_create", message)


async def get_post(request: web.Request) -> web.Response:
    """``GET /posts/{id}``."""
    allowed = signed_in(request)
    edit = _edit_context(request, allowed)
    post = _find(request.app[SANDBOX], request, allowed)
    return web.json_response(post.view(_base(request), edit))


async def list_posts(request: web.Request) -> web.Response:
    """``GET /posts`` with ``search``, ``slug``, ``status``, ``page`` and ``per_page``.

    As in WordPress only published posts are listed unless ``status`` asks for others.
    """
    allowed = signed_in(request)
    edit = _edit_context(request, allowed)
    query = request.query
    wanted = set(query.get("status", "publish").split(","))
    if wanted != {"publish"} and not allowed:
        raise WpError(400, "rest_invalid_param", "Invalid parameter(s): status")
    found = [
        post
        for post in request.app[SANDBOX].posts.posts.values()
        if ("any" in wanted or post.status in wanted)
        and ("slug" not in query or post.slug in query["slug"].split(","))
        and post.matches(query.get("search", ""))
    ]
    found.sort(key=lambda post: (-post.created, -post.id))
    return _page(request, found, edit)


def _page(request: web.Request, found: list[StoredPost], edit: bool) -> web.Response:
    try:
        size = int(request.query.get("per_page", 10))
        page = int(request.query.get("page", 1))
    except ValueError:
        raise WpError(400, "rest_invalid_param", "Invalid parameter(s): page, per_page") from None
    if not (1 <= size <= 100 and page >= 1):
        raise WpError(400, "rest_invalid_param", "Invalid parameter(s): page, per_page")
    shown = [post.view(_base(request), edit) for post in found[(page - 1) * size : page * size]]
    totals = {"X-WP-Total": str(len(found)), "X-WP-TotalPages": str(-(-len(found) // size))}
    return web.json_response(shown, headers=totals)


async def create_post(request: web.Request) -> web.Response:
    """``POST /posts``: 201, with the post as its editor sees it."""
    _writer(request)
    sandbox = request.app[SANDBOX]
    post = sandbox.posts.create(await _fields(request))
    sandbox.stats.writes.add(key_of(request) or f"post-{post.id}")
    where = {"Location": f"{request.url.origin()}{ROOT}/posts/{post.id}"}
    return web.json_response(post.view(_base(request), edit=True), status=201, headers=where)


async def update_post(request: web.Request) -> web.Response:
    """``POST``, ``PUT`` or ``PATCH /posts/{id}``."""
    _writer(request)
    sandbox = request.app[SANDBOX]
    post = _find(sandbox, request, allowed=True)
    sandbox.posts.update(post, await _fields(request))
    sandbox.stats.writes.add(key_of(request) or f"post-{post.id}")
    return web.json_response(post.view(_base(request), edit=True))


@web.middleware
async def errors(request: web.Request, handler: Any) -> web.StreamResponse:
    """Turn :class:`WpError` into the API's error shape, after the call's time has passed."""
    try:
        await request.app[SANDBOX].pause("wordpress", key_of(request))
        response: web.StreamResponse = await handler(request)
    except WpError as error:
        body = error_body(error.status, error.code, error.message)
        return web.json_response(body, status=error.status)
    return response


def routes() -> list[web.RouteDef]:
    """The stand-in's routes."""
    one = ROOT + r"/posts/{id:\d+}"
    return [
        web.get(f"{ROOT}/posts", list_posts),
        web.post(f"{ROOT}/posts", create_post),
        web.get(one, get_post),
        *(web.route(method, one, update_post) for method in ("POST", "PUT", "PATCH")),
    ]
