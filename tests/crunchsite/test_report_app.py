"""The web application is the site, or what the operator makes of it."""

import pytest
from django.core.management import call_command

from core.service_factories import FactoryRefusedError
from crunchsite import factories
from crunchsite.report_app import with_own

HERE = "tests.own_services"


def site(environ, start_response):
    start_response("200 OK", [])
    return [b"the site"]


@pytest.fixture
def configured(settings):
    def name(**variables):
        settings.ENV = settings.ENV.model_copy(update=variables)

    return name


def body(application, path):
    return b"".join(application({"PATH_INFO": path}, lambda *_: None))


def test_without_a_factory_the_site_is_served():
    assert with_own(site) is site


def test_another_application_stands_beside_the_site(configured):
    configured(report_app_factory=f"{HERE}:hello")
    assert body(with_own(site), "/hello") == b"hello"
    assert body(with_own(site), "/") == b"the site"


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        (f"{HERE}:Absent", "has no Absent"),
        (f"{HERE}:raising", "it cannot be called as it(site)"),
        (f"{HERE}:no_application", "made 'no application'; give a WSGI application"),
    ],
)
def test_what_makes_no_application_is_refused(configured, path, cause):
    configured(report_app_factory=path)
    with pytest.raises(FactoryRefusedError) as refused:
        with_own(site)
    assert str(refused.value).startswith(f"REPORT_APP_FACTORY was {path!r}")
    assert cause in str(refused.value)


def test_each_refused_factory_is_named_before_anything_starts(configured, capsys):
    configured(
        predict_service_factory="moon:A",
        score_service_factory="moon:B",
        report_app_factory="moon:C",
    )
    names = ("PREDICT_SERVICE_FACTORY", "SCORE_SERVICE_FACTORY", "REPORT_APP_FACTORY")
    assert [str(e).split()[0] for e in factories.refused()] == list(names)
    call_command("check", "--tag", "services")
    said = capsys.readouterr().err
    assert all(name in said for name in names)
    assert said.count("crunchsite.W003") == 3
