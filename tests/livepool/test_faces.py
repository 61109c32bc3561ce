"""API, public page and admin of the live pool."""

from datetime import date, timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from livepool import artifacts
from livepool.models import Release, ShadowTrack
from livepool.release import publish
from livepool.stores import StoreError
from tests.livepool.conftest import frozen, local_stores
from tests.livepool.release.test_publish import FIRST, NEW, OLD, SECOND, put, read

pytestmark = pytest.mark.django_db(databases=["default", "tape"])

JANUARY, FEBRUARY = "2026-01-31-core_major", "2026-02-28-core_major"


@pytest.fixture
def site(tmp_path, env):
    """Two releases are published in the site's own store."""
    env(livepool_store_dir=tmp_path / "store", livepool_output_dir=tmp_path / "output")
    for as_of, symbols in ((FIRST, OLD), (SECOND, NEW)):
        with frozen(artifacts.completed_at(as_of) + timedelta(hours=3)):
            publish.publish(folder=put(tmp_path, as_of, symbols))
    with frozen(artifacts.completed_at(SECOND) + timedelta(days=1)):
        yield local_stores(tmp_path / "store")


@pytest.fixture
def many(site):
    """Thirty releases more, as rows."""
    row = Release.objects.current()
    for n in range(1, 31):
        as_of = FIRST - timedelta(days=n)
        version = artifacts.version_of(as_of, "core_major")
        row.pk, row.as_of_date, row.version = None, as_of, version
        row.activated_at -= timedelta(days=60)
        row.save(force_insert=True)


def test_current_tells_the_pool_in_order(client, site, django_assert_num_queries):
    with django_assert_num_queries(1):
        found = client.get("/livepool/current").json()
    assert (found["version"], found["symbols"]) == (FEBRUARY, NEW[:5])
    assert found["ranking"][0]["symbol"] == NEW[0]
    assert found["universe"] == sorted(NEW)
    assert client.get("/api/livepool/current/").json() == found


def test_nothing_published_is_a_404_with_a_code(client):
    answer = client.get("/livepool/current")
    assert answer.status_code == 404
    assert answer.json()["code"] == "not_found"


def test_releases_are_paged_in_a_total_order(client, many, django_assert_num_queries):
    seen, cursor = [], ""
    for _ in range(4):
        with django_assert_num_queries(1):
            page = client.get(f"/livepool/releases?limit=10{cursor}").json()
        seen += [row["version"] for row in page["results"]]
        if page["next"] is None:
            break
        cursor = f"&cursor={page['next']}"
    assert len(seen) == 32
    assert seen == sorted(seen, reverse=True)
    assert "ranking" not in page["results"][0]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "cursor=x", "cursor=2026-02-31.1", "status=NO"]
)
def test_a_wrong_filter_is_refused(client, site, query):
    assert client.get(f"/livepool/releases?{query}").status_code == 422


def test_a_release_and_its_files_are_served_as_published(client, site):
    found = client.get(f"/livepool/releases/{JANUARY}").json()
    # No path of the server, whose own document needs it.
    assert found["storage_prefix"] == f"releases/{JANUARY}"
    listed = client.get("/api/v1/releases").json()["results"][1]
    assert listed["storage_prefix"] == f"releases/{JANUARY}"
    in_cloud = f"gs://pool/crypto/releases/{JANUARY}"
    Release.objects.filter(version=JANUARY).update(storage_prefix=in_cloud)
    again = client.get(f"/livepool/releases/{JANUARY}").json()
    assert again["storage_prefix"] == in_cloud
    assert found["symbols"] == OLD[:5]
    for name, checksum in found["checksums"].items():
        answer = client.get(f"/livepool/releases/{JANUARY}/{name}")
        assert artifacts.sha256(answer.content) == checksum
        assert answer["ETag"] == f'"{checksum}"'
    for missing in ("2020-01-01-core_major", f"{JANUARY}/secrets.json"):
        assert client.get(f"/livepool/releases/{missing}").status_code == 404


def test_status_tells_what_is_expected(client, site, django_assert_num_queries):
    with django_assert_num_queries(3):
        found = client.get("/livepool/status").json()
    assert found == {
        "state": "fresh",
        "version": FEBRUARY,
        "as_of_date": "2026-02-28",
        "age_days": 2,
        "max_age_days": 45,
        "activated_at": "2026-03-01T03:00:00Z",
        "next_expected_by": "2026-04-02T00:00:00Z",
        "publish_enabled": True,
        "last_error": None,
        "last_error_version": None,
    }


@pytest.mark.parametrize("has_release", [True, False])
def test_why_a_release_failed_is_for_operators(
    client, site, django_user_model, has_release
):
    """The text names hosts and paths of the site."""
    why = "/srv/site/store does not contain what was written"
    failed = Release.objects.current()
    failed.pk, failed.as_of_date = None, failed.as_of_date + timedelta(days=31)
    failed.status, failed.error, failed.published_at = "FAILED", why, None
    if not has_release:
        Release.objects.all().delete()
    failed.save(force_insert=True)
    told = client.get("/livepool/status").json()
    assert told["last_error"] == "it failed; only operators see why"
    assert told["last_error_version"] == failed.version
    page = client.get("/livepool").content.decode()
    assert "it failed; only operators see why" in page
    assert why not in page
    client.force_login(django_user_model.objects.create_superuser("olga"))
    assert client.get("/livepool/status").json()["last_error"] == why
    assert why in client.get("/livepool").content.decode()


def test_the_api_only_reads(client, site):
    for path in ("current", "releases", "status"):
        assert client.post(f"/livepool/{path}").status_code == 405


def test_reading_may_need_a_key(client, site, env):
    env(api_read_auth=True)
    assert client.get("/livepool/current").status_code in {401, 403}


def test_the_page_shows_pool_history_and_charts(
    client, many, django_assert_max_num_queries
):
    ShadowTrack.objects.create(
        track_id="challenger_topk_60",
        mode="core_major",
        release_count=2,
        mean_churn=0.25,
        releases=[],
        built_at=artifacts.completed_at(FIRST),
    )
    with django_assert_max_num_queries(8):
        html = client.get("/livepool").content.decode()
    for part in (
        FEBRUARY,
        "<strong>LTC</strong>",
        "<svg",
        "challenger_topk_60",
        "25 %",
    ):
        assert part in html
    assert html.count("<tr>") > 24


def test_the_page_of_an_empty_site_says_when_to_expect_one(client):
    html = client.get("/livepool").content.decode()
    assert "No release was published yet" in html


@pytest.fixture
def operator(client, django_user_model):
    user = django_user_model.objects.create_superuser("olga", password="x" * 12)
    client.force_login(user)
    return user


def test_the_list_shows_the_difference_to_the_release_before(client, site, operator):
    html = client.get(reverse("admin:livepool_release_changelist")).content.decode()
    assert "TRX LTC ETH LINK SOL" in html
    assert "LTC LINK" in html
    assert "BCH NEAR" in html


def test_releases_cannot_be_added_or_deleted(client, site, operator):
    row = Release.objects.first()
    assert client.get(reverse("admin:livepool_release_add")).status_code == 403
    url = reverse("admin:livepool_release_delete", args=[row.pk])
    assert client.post(url, {"post": "yes"}).status_code == 403
    page = reverse("admin:livepool_release_change", args=[row.pk])
    assert client.post(page, {"version": "other"}).status_code == 403
    assert client.get(page).status_code == 200
    assert set(Release.objects.values_list("version", flat=True)) == {JANUARY, FEBRUARY}


def test_a_rollback_is_previewed_and_needs_a_reason(client, site, operator):
    row = Release.objects.get(version=JANUARY)
    url = reverse("admin:livepool-rollback", args=[row.pk])
    html = client.get(url).content.decode()
    assert "In: BCH NEAR. Out: LTC LINK." in html
    assert client.post(url, {"reason": ""}).status_code == 200
    assert read(site).symbols == tuple(NEW[:5])
    client.post(url, {"reason": "LTC was halted"})
    assert read(site).symbols == tuple(OLD[:5])
    entry = LogEntry.objects.get()
    assert entry.user == operator
    assert "LTC was halted" in entry.change_message
    assert Release.objects.get(version=FEBRUARY).actor == "olga"


def test_a_refused_rollback_says_why(client, site, operator, monkeypatch):
    from livepool.stores.local import LocalReleaseStore

    def away(*args):
        raise StoreError("disk full")

    monkeypatch.setattr(LocalReleaseStore, "point_current", away)
    url = reverse("admin:livepool-rollback", args=[Release.objects.last().pk])
    assert "disk full" in client.post(url, {"reason": "x"}).content.decode()
    assert LogEntry.objects.count() == 0


def test_only_operators_roll_back(client, site, django_user_model):
    url = reverse("admin:livepool-rollback", args=[Release.objects.last().pk])
    assert client.post(url, {"reason": "x"}).status_code == 302
    user = django_user_model.objects.create_user("eve", password="x", is_staff=True)
    client.force_login(user)
    assert client.post(url, {"reason": "x"}).status_code == 403
    assert read(site).symbols == tuple(NEW[:5])


def test_the_newest_release_is_the_current_one(site):
    assert Release.objects.current().as_of_date == date(2026, 2, 28)


@pytest.mark.parametrize("status", ["PENDING", "FAILED"])
def test_a_pool_is_shown_once_it_is_published(client, many, status):
    hidden = Release.objects.order_by("-as_of_date").first()
    Release.objects.filter(pk=hidden.pk).update(
        status=status, published_at=None, activated_at=None
    )
    rows = client.get("/livepool/releases?limit=100").json()["results"]
    assert hidden.version not in [row["version"] for row in rows]
    assert client.get(f"/livepool/releases/{hidden.version}").status_code == 404
    assert client.get(f"/livepool/releases?status={status}").status_code == 422
