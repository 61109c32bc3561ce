import os

from django.core.asgi import get_asgi_application

os.environ.setdefault(  # noqa: TID251  the server configures Django here
    "DJANGO_SETTINGS_MODULE", "crunchsite.settings.dev"
)
application = get_asgi_application()
