"""The web application: the site, or what the operator makes of it.

`REPORT_APP_FACTORY` names a callable that takes the site's WSGI application and returns
another: one that answers some addresses and passes the others on, or all of them.
"""

from collections.abc import Callable
from wsgiref.types import WSGIApplication

from django.conf import settings

from core.service_factories import FactoryRefusedError, call_factory, find_factory

VARIABLE = "REPORT_APP_FACTORY"

ReportAppFactory = Callable[[WSGIApplication], WSGIApplication]


def check_factory() -> None:
    """Raise FactoryRefusedError for a factory that cannot be called; calls nothing."""
    if path := settings.ENV.report_app_factory:
        find_factory(VARIABLE, path, "site")


def with_own(site: WSGIApplication) -> WSGIApplication:
    """Return the application that is served; raises FactoryRefusedError."""
    path = settings.ENV.report_app_factory
    if not path:
        return site
    made = call_factory(VARIABLE, path, find_factory(VARIABLE, path, "site"), site)
    if not callable(made):
        raise FactoryRefusedError(
            f"{VARIABLE} was {path!r}, which made {made!r}; give a WSGI application."
        )
    served: WSGIApplication = made
    return served
