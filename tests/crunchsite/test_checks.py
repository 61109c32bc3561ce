from django.core import checks

from crunchsite.celery import app


def test_the_site_passes_its_own_checks():
    assert checks.run_checks() == []


def test_time_limits_out_of_order_are_an_error(settings):
    settings.CELERY_TASK_TIME_LIMIT = settings.VISIBILITY_TIMEOUT_S + 1
    assert [e.id for e in checks.run_checks(tags=["celery"])] == ["crunchsite.E001"]


def test_a_schedule_of_an_unknown_task_is_an_error(monkeypatch):
    schedule = {"x": {"task": "feeds.nothing", "schedule": 1.0}}
    monkeypatch.setitem(app.conf, "beat_schedule", schedule)
    (error,) = checks.run_checks(tags=["celery"])
    assert (error.id, "feeds.nothing" in error.msg) == ("crunchsite.E002", True)


def test_a_route_to_an_unknown_queue_is_an_error(monkeypatch):
    monkeypatch.setitem(app.conf, "task_routes", {"a.*": {"queue": "typo"}})
    assert [e.id for e in checks.run_checks(tags=["celery"])] == ["crunchsite.E003"]
