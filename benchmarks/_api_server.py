"""`python -m benchmarks._api_server PORT`: the site as `manage.py up` serves it."""

import sys

import django
from django.conf import settings


def main(port: int) -> None:
    django.setup()
    settings.ROOT_URLCONF = "benchmarks._api_site"
    import waitress

    from crunchsite.wsgi import application

    waitress.serve(application, listen=f"127.0.0.1:{port}", threads=8)


if __name__ == "__main__":
    main(int(sys.argv[1]))
