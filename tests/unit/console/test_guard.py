"""The guard, over the table of all pages: a page that is added is under the same tests."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from starlette.routing import Route
from support.console import FORM, NAMES, Browser, Console, console_at

from concord.console.accounts import Role
from concord.console.app import STATIC, pages
from concord.console.pages import Page
from concord.console.shield import BODY_MAX, POLICY, Shield

GUARDED = [page for page in pages() if page.needs is not None]
FORMS = [page for page in pages() if page.method == "POST" and page.api is None]
OPERATIONS = [page for page in GUARDED if page.api is not None]
WRITES = [page for page in OPERATIONS if page.method != "GET"]
OPEN = {("GET", "/sign-in"), ("POST", "/sign-in"), ("GET", "/api/v1/openapi.json")}
OPEN |= {("GET", "/sign-in/entra"), ("GET", "/sign-in/entra/back")}
JSON = {"content-type": "application/json"}


def name_of(page: Page) -> str:
    """A page as a test is called."""
    return f"{page.method} {page.path}"


def address(page: Page) -> str:
    """An address of a page, its parts filled in."""
    return page.path.replace("{", "").replace("}", "")


@pytest.fixture(scope="module")
def shut(tmp_path_factory: pytest.TempPathFactory) -> Console:
    """One console for all tests in which it does nothing: that it stays as it was is what they check."""
    return console_at(tmp_path_factory.mktemp("shut"))


def snapshot(console: Console) -> tuple[object, ...]:
    """Everything that a page could have changed."""
    return (list(console.desk.saved), list(console.desk.acts), console.accounts.all())


def test_only_signing_in_and_the_description_of_the_api_are_open() -> None:
    """Only signing in and the description of the api are open."""
    assert {(page.method, page.path) for page in pages() if page.needs is None} == OPEN


def test_every_route_of_the_application_is_a_page_or_a_file(console: Console) -> None:
    """A route that is added beside the table would be without a guard."""
    assert isinstance(console.app, Shield)
    routes = console.app._app.routes
    assert all(isinstance(one, Route) for one in routes)
    known = {page.path for page in pages()} | {f"/static/{name}" for name in STATIC}
    assert {one.path for one in routes} == known


@pytest.mark.parametrize("page", GUARDED, ids=name_of)
def test_nothing_without_sign_in(shut: Console, page: Page) -> None:
    """Nothing without sign in."""
    before = snapshot(shut)
    seen = shut.browser().ask(page.method, address(page), headers=FORM if page.method == "POST" else {})
    assert (seen.status, seen.goes_to) in ((303, "/sign-in"), (401, ""))
    assert snapshot(shut) == before


@pytest.mark.parametrize("cookie", ["", "x", "A" * 43, "é", "\\x00"])
def test_a_made_up_cookie_is_no_sign_in(shut: Console, cookie: str) -> None:
    """A made up cookie is no sign in."""
    browser = shut.browser()
    seen = browser.get("/", headers={"cookie": f"concord={cookie}".encode()})
    assert (seen.status, seen.goes_to) == (303, "/sign-in")


@pytest.mark.parametrize("page", [page for page in GUARDED if page.needs is not Role.VIEWER], ids=name_of)
def test_nothing_with_a_lower_role(shut: Console, page: Page) -> None:
    """Nothing with a lower role."""
    assert page.needs is not None
    before = snapshot(shut)
    for role in Role:
        if role < page.needs:
            browser = shut.browser(role)
            token = dict(browser.get("/").form("/sign-out"))["token"]
            seen = browser.ask(page.method, address(page), headers=FORM, content=f"token={token}")
            assert seen.status == 403
            assert f"needs the role {page.needs.word}" in seen.text
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", [page for page in FORMS if page.needs is not None], ids=name_of)
@pytest.mark.parametrize("token", ["", "token=", "token=0", "token=another"])
def test_nothing_without_the_forms_own_token(shut: Console, page: Page, token: str) -> None:
    """Nothing without the forms own token."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    if token == "token=another":
        token = "token=" + dict(shut.browser(Role.ADMINISTRATOR).get("/").form("/sign-out"))["token"]
    seen = browser.ask(page.method, address(page), headers=FORM, content=token)
    assert seen.status == 403
    assert "not made for you" in seen.text
    assert snapshot(shut) == before
    assert browser.get("/settings/sync").status == 200, "still signed in"


def test_no_sign_in_without_the_forms_own_token(console: Console) -> None:
    """No sign in without the forms own token."""
    password = console.passwords[Role.ADMINISTRATOR]
    browser = console.browser()
    browser.get("/sign-in")
    seen = browser.post("/sign-in", [("name", NAMES[Role.ADMINISTRATOR]), ("password", password)])
    assert seen.status == 403
    assert browser.get("/").goes_to == "/sign-in"


ELSEWHERE = (
    ("origin", "https://evil.example"),
    ("origin", "null"),
    ("sec-fetch-site", "cross-site"),
    ("sec-fetch-site", "same-site"),
)


@pytest.mark.parametrize("headers", [{name: value} for name, value in ELSEWHERE])
@pytest.mark.parametrize("page", FORMS, ids=name_of)
def test_nothing_from_a_page_of_others(shut: Console, page: Page, headers: dict[str, str]) -> None:
    """Nothing from a page of others."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    token = dict(browser.get("/").form("/sign-out"))["token"]
    seen = browser.post(address(page), [("token", token)], headers=headers)
    assert seen.status == 403
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", FORMS, ids=name_of)
@pytest.mark.parametrize("has_length", [True, False])
def test_ten_megabytes_are_refused(shut: Console, page: Page, has_length: bool) -> None:
    """Ten megabytes are refused."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    taken = 0

    async def parts() -> object:
        nonlocal taken
        for _ in range(10):
            taken += 1
            yield b"token=" + b"x" * 1_000_000

    body = b"x" * 10_000_000 if has_length else parts()
    seen = browser.ask("POST", address(page), headers=FORM, content=body)
    assert seen.status == 413
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", FORMS, ids=name_of)
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", b"{}"), ("multipart/form-data; boundary=x", b"--x--"), ("text/plain", b"token=1"),
        (FORM["content-type"], b"a=%ff"), (FORM["content-type"], "a=é".encode()),
        (FORM["content-type"], b"a=1&" * 6000),
    ],
)  # fmt: skip
def test_what_is_no_form_is_refused(shut: Console, page: Page, kind: str, body: bytes) -> None:
    """What is no form is refused."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    seen = browser.ask("POST", address(page), headers={"content-type": kind}, content=body)
    assert seen.status == 400
    assert snapshot(shut) == before


def own_token(browser: Browser) -> str:
    """What a script of ours would send with a write."""
    return str(browser.get("/api/v1/session").response.json()["token"])


@pytest.mark.parametrize("page", OPERATIONS, ids=name_of)
@pytest.mark.parametrize("bearer", ["", "concord_", "concord_made-up", "x" * 5000, "Basic"])
def test_no_operation_with_a_made_up_token(shut: Console, page: Page, bearer: str) -> None:
    """Also beside a session that would do: a token that is sent is the one that counts."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    given = "Basic YTpi" if bearer == "Basic" else f"Bearer {bearer}"
    seen = browser.ask(page.method, page.path, headers={"authorization": given})
    assert seen.status == 401
    assert seen.response.headers["content-type"] == "application/problem+json"
    assert seen.response.headers["www-authenticate"] == "Bearer"
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", OPERATIONS, ids=name_of)
def test_no_operation_for_a_program_of_a_lower_role(console: Console, page: Page) -> None:
    """Nor with a token that has ended."""
    assert page.needs is not None
    before = snapshot(console)
    ended = console.programs.add("ended", Role.ADMINISTRATOR, timedelta(0))
    tokens = {ended: 401} | {
        console.programs.add(role.word, role, timedelta(days=1)): 403 for role in Role if role < page.needs
    }
    for token, status in tokens.items():
        seen = console.browser().ask(page.method, page.path, headers={"authorization": f"Bearer {token}"})
        assert seen.status == status
    assert snapshot(console) == before


@pytest.mark.parametrize("page", WRITES, ids=name_of)
def test_no_write_by_a_session_without_its_own_token(shut: Console, page: Page) -> None:
    """Nor with the token of another, nor from a page of others."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    own, others = own_token(browser), own_token(shut.browser(Role.ADMINISTRATOR))
    tries = [{}, {"x-concord-token": ""}, {"x-concord-token": others}]
    tries += [{"x-concord-token": own, name: value} for name, value in ELSEWHERE]
    for headers in tries:
        seen = browser.ask(page.method, page.path, headers=JSON | headers, content="{}")
        assert (seen.status, seen.response.headers["content-type"]) == (403, "application/problem+json")
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", WRITES, ids=name_of)
def test_what_is_no_body_of_an_operation_is_refused(shut: Console, page: Page) -> None:
    """Ten megabytes, no JSON, another kind, JSON of another shape; nothing of it comes back."""
    before = snapshot(shut)
    browser = shut.browser(Role.ADMINISTRATOR)
    own = {"x-concord-token": own_token(browser)}
    tries = [
        (JSON, b"x" * 10_000_000, 413), (JSON, b"{", 400), (JSON, b"\xff", 400), (JSON, b"[" * 100_000, 400),
        (FORM, b"a=1", 415), ({"content-type": "text/plain"}, b"{}", 415), (JSON, b"{}", 422), (JSON, b"[]", 422),
        (JSON, b'{"geheim": 4711}', 422),
    ]  # fmt: skip
    if page.api is not None and page.api.takes is None:
        tries = [(headers, body, 413 if status == 413 else 400) for headers, body, status in tries]
    for headers, body, status in tries:
        seen = browser.ask(page.method, page.path, headers=headers | own, content=body)
        assert (seen.status, seen.response.headers["content-type"]) == (status, "application/problem+json"), body[:9]
        assert "4711" not in seen.response.text
    assert snapshot(shut) == before


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_every_answer_carries_the_headers(shut: Console, page: Page) -> None:
    """Every answer carries the headers."""
    browser = shut.browser(Role.ADMINISTRATOR)
    for seen in (browser.ask(page.method, address(page)), shut.browser().ask(page.method, address(page))):
        headers = seen.response.headers
        assert headers["content-security-policy"] == POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cache-control"] == "no-store"


def test_the_policy_allows_no_inline_script_or_style() -> None:
    """The policy allows no inline script or style."""
    assert "unsafe" not in POLICY
    assert "default-src 'none'" in POLICY


@pytest.mark.parametrize("page", [page for page in GUARDED if page.method == "GET"], ids=name_of)
def test_pages_hold_no_inline_script_or_style(shut: Console, page: Page) -> None:
    """Pages hold no inline script or style."""
    seen = shut.browser(Role.ADMINISTRATOR).get(address(page))
    for tag, held in seen.reader.tags:
        assert tag != "style"
        assert not any(name.startswith(("on", "hx-on")) or name == "style" for name in held), held
        assert tag != "script" or str(held.get("src", "")).startswith("/static/")


@pytest.mark.parametrize("page", GUARDED, ids=name_of)
def test_every_form_that_is_shown_has_its_token(shut: Console, page: Page) -> None:
    """Every form that is shown has its token."""
    if page.method == "GET":
        seen = shut.browser(Role.ADMINISTRATOR).get(address(page))
        methods = [held for tag, held in seen.reader.tags if tag == "form" and held.get("method") == "post"]
        assert all(dict(seen.form(str(held["action"]))).get("token") for held in methods)


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[", "console.example:99999x"])
def test_other_names_for_this_address_are_not_answered(shut: Console, host: str) -> None:
    """Other names for this address are not answered."""
    seen = shut.browser().get("/sign-in", headers={"host": host})
    assert seen.status == 421


def test_the_name_that_is_configured_is_answered(tmp_path: Path) -> None:
    """The name that is configured is answered."""
    console = console_at(tmp_path, url="https://Console.Example")
    assert Browser(console.app, at="https://console.example").get("/sign-in").status == 200


def test_over_tls_cookies_are_secure(tmp_path: Path) -> None:
    """Over tls cookies are secure."""
    console = console_at(tmp_path, url="https://console.example")
    browser = Browser(console.app, at="https://console.example")
    seen = browser.sign_in("administrator", console.passwords[Role.ADMINISTRATOR])
    assert "max-age=" in seen.response.headers["strict-transport-security"]
    (cookie,) = (one for one in seen.response.headers.get_list("set-cookie") if one.startswith("__Host-concord="))
    assert {part.strip().casefold() for part in cookie.split(";")[1:]} == {
        "httponly",
        "path=/",
        "samesite=lax",
        "secure",
    }
    assert browser.get("/").status == 200


def test_on_this_machine_cookies_are_not_for_scripts_nor_other_sites(console: Console) -> None:
    """On this machine cookies are not for scripts nor other sites."""
    seen = console.browser().sign_in("administrator", console.passwords[Role.ADMINISTRATOR])
    (cookie,) = (one for one in seen.response.headers.get_list("set-cookie") if one.startswith("concord="))
    assert {part.strip().casefold() for part in cookie.split(";")[1:]} == {"httponly", "path=/", "samesite=lax"}


def test_signing_in_begins_a_new_session(console: Console) -> None:
    """A token that somebody planted before is worth nothing afterwards."""
    browser = console.browser()
    browser.cookies.set("concord", "planted", domain="127.0.0.1")
    browser.sign_in("administrator", console.passwords[Role.ADMINISTRATOR])
    assert "planted" not in browser.cookies.jar.__repr__()


def test_signing_out_ends_the_session_here(console: Console) -> None:
    """Signing out ends the session here."""
    browser = console.browser(Role.VIEWER)
    kept = httpx.Cookies(browser.cookies)
    browser.post("/sign-out", browser.get("/").form("/sign-out"))
    assert browser.get("/").goes_to == "/sign-in"
    browser.cookies = kept
    assert browser.get("/").goes_to == "/sign-in", "the old cookie is worth nothing"


def test_a_removed_or_reset_account_is_signed_out_at_once(console: Console) -> None:
    """A removed or reset account is signed out at once."""
    viewer, operator = console.browser(Role.VIEWER), console.browser(Role.OPERATOR)
    console.accounts.remove(NAMES[Role.VIEWER])
    console.accounts.set(NAMES[Role.OPERATOR], Role.VIEWER)
    assert viewer.get("/").goes_to == "/sign-in"
    assert operator.get("/").goes_to == "/sign-in"


def test_passwords_cannot_be_tried_fast(console: Console) -> None:
    """Passwords cannot be tried fast."""
    browser = console.browser()
    answers = [browser.sign_in("administrator", f"wrong-{number}") for number in range(8)]
    assert [seen.status for seen in answers] == [401] * 5 + [429] * 3
    assert answers[-1].response.headers["retry-after"] == "2"
    right = console.passwords[Role.ADMINISTRATOR]
    assert browser.sign_in("administrator", right).status == 429, "also the right one waits"
    console.seconds += 2
    assert browser.sign_in("administrator", right).status == 303


def test_nothing_that_is_typed_at_sign_in_comes_back(console: Console) -> None:
    """Nothing that is typed at sign in comes back."""
    seen = console.browser().sign_in("<script>alert(1)</script>", "geheim-4711")
    assert seen.status == 401
    assert "geheim" not in seen.response.text
    assert "alert(1)" not in seen.response.text


def test_a_part_that_renews_itself_leads_to_sign_in(console: Console) -> None:
    """A part that renews itself leads to sign in."""
    seen = console.browser().get("/part/overview", headers={"hx-request": "true"})
    assert (seen.status, seen.response.headers["hx-redirect"]) == (401, "/sign-in")


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("PUT", "/users", 405)])
def test_what_is_not_there(shut: Console, method: str, path: str, status: int) -> None:
    """What is not there."""
    assert shut.browser().ask(method, path).status == status


def test_a_body_of_the_largest_size_is_read(console: Console) -> None:
    """A body of the largest size is read."""
    browser = console.browser(Role.ADMINISTRATOR)
    form = browser.get("/users").form("/users")
    fields = [*form, ("go", "1"), ("padding", "x" * (BODY_MAX - 2_000))]
    assert browser.post("/users", fields).status == 303
