"""Django's migrate, which also brings the tape's schema and months up to date."""

import sys
from typing import Any

from django.core.management.commands import migrate
from django.db import DEFAULT_DB_ALIAS

from core import clock
from feeds.tape import partitions, schema


class Command(migrate.Command):
    help = "Brings the domain's schema and the tape's up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        super().handle(*args, **options)
        if options["database"] != DEFAULT_DB_ALIAS or options["app_label"]:
            return
        pending = schema.pending()
        if options["plan"] or options["check_unapplied"]:
            for revision in pending:
                self.stdout.write(f"  tape {revision}")
            if pending and options["check_unapplied"]:
                sys.exit(1)
            return
        schema.upgrade()
        partitions.create_ahead(now=clock.now())
        if options["verbosity"] >= 1 and pending:
            self.stdout.write(f"  Tape: applied {', '.join(pending)}")
