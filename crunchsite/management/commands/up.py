"""`manage.py up`: the whole site on one machine."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from crunchsite.settings.env import SITE_DIR
from crunchsite.settings.env_names import given_names, unread_names
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
        for name, advice in unread_names(given_names()).items():
            say(f"  {name} is not read: {advice}")
        try:
            with requests.interrupting():
                supervisor.start()
            supervisor.watch()
        except KeyboardInterrupt:
            pass  # interrupted during the start; stopping was announced already
        except OSError as error:
            raise StackError(f"the site cannot be started here: {error}.") from error
        finally:
            supervisor.stop()
            requests.ignore()
        say(f"Stopped; the data stay under {shown(settings.VAR_DIR)}.")


def shown(folder: Path) -> str:
    """Return a folder as it was given: `var/` for one below the project."""
    is_ours = folder.is_relative_to(SITE_DIR)
    return f"{folder.relative_to(SITE_DIR) if is_ours else folder}/"
