"""One machine, embedded parts: what `manage.py up` runs."""

from crunchsite.settings.base import *
