import gc
import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
application = get_wsgi_application()
gc.freeze()  # as in crunchsite/celery.py
