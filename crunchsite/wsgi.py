import os

from django.core.wsgi import get_wsgi_application

from core.collector import loading
from crunchsite import channels

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
channels.use()
with loading():
    application = get_wsgi_application()
