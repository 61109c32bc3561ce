import gc
import os

from django.core.wsgi import get_wsgi_application

from crunchsite import channels

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
channels.use()
application = get_wsgi_application()
gc.freeze()  # as in crunchsite/celery.py
