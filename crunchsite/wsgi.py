import os
import sys

from django.core.wsgi import get_wsgi_application

from core.collector import loading
from core.errors import OperatorError
from crunchsite import channels

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
channels.use()
with loading():
    site = get_wsgi_application()
    from crunchsite import report_app  # settings and apps are there

    try:
        application = report_app.with_own(site)
    except OperatorError as error:
        sys.exit(f"Error: {error}")
