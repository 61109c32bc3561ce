"""`manage.py up`: the whole site on one machine."""

from typing import Any

from django.core.management.base import BaseCommand

from crunchsite.stack.errors import StackError
from crunchsite.stack.stopping import StopRequests, say
from crunchsite.stack.supervisor import Supervisor


class Command(BaseCommand):
    help = "Run the whole site here: servers, models, worker with Beat, web."
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        requests = StopRequests()
        requests.listen()
        supervisor = Supervisor(say=say, requests=requests)
        say("Starting crunchsite")
        try:
            with requests.interrupting():
                supervisor.start()
            supervisor.watch()
            say("Stopping ...")
        except KeyboardInterrupt:
            say("Stopping before all was up ...")
        except OSError as error:
            raise StackError(f"the site cannot be started here: {error}.") from error
        finally:
            supervisor.stop()
            requests.ignore()
        say("Stopped; the data stay under var/.")
