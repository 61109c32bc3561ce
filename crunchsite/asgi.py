import os
import sys

from django.conf import settings
from django.core.asgi import get_asgi_application

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
application = get_asgi_application()
if settings.ENV.report_app_factory:
    sys.exit(
        "Error: REPORT_APP_FACTORY makes WSGI applications: serve crunchsite.wsgi."
    )
