"""What every response says to the browser, and where to report a vulnerability."""

import pytest

pytestmark = pytest.mark.django_db(databases=["default", "tape"])
STRICT = {
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "form-action 'self'",
    "frame-ancestors 'none'",
    "base-uri 'none'",
}


def policy(response):
    return set(response["Content-Security-Policy"].split("; "))


@pytest.mark.parametrize("path", ["/", "/docs", "/healthz", "/nowhere", "/livepool"])
def test_every_answer_carries_the_strict_policy(client, path):
    response = client.get(path)
    assert policy(response) == STRICT
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Referrer-Policy"] == "same-origin"
    assert "camera=()" in response["Permissions-Policy"]


def test_the_admin_may_evaluate_and_style_but_run_nothing_inline(client):
    assert policy(client.get("/admin/login/")) ^ STRICT == {
        "script-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self'",
        "style-src 'self' 'unsafe-inline'",
    }


def test_styles_of_redoc_carry_a_nonce_of_their_page(client):
    found = []
    for _ in range(2):
        response = client.get("/redoc")
        [own] = policy(response) - STRICT
        found.append(own.removeprefix("style-src 'self' 'nonce-").removesuffix("'"))
        assert f'data-nonce="{found[-1]}"' in response.content.decode()
    assert found[0] != found[1]


def test_the_contact_is_named_where_there_is_one(client, settings, frozen_clock):
    assert client.get("/.well-known/security.txt").status_code == 404
    settings.ENV = settings.ENV.model_copy(
        update={"security_contact": "mailto:security@crunch.example"}
    )
    lines = client.get("/.well-known/security.txt").content.decode().splitlines()
    assert lines[0] == "Contact: mailto:security@crunch.example"
    assert lines[1].startswith("Expires: 20")
    assert lines[3] == "Canonical: http://testserver/.well-known/security.txt"


def test_a_foreign_host_costs_one_line(client, caplog):
    assert client.get("/", headers={"host": "evil.example"}).status_code == 400
    assert all(record.exc_info is None for record in caplog.records)
