"""Choose where the embedded servers' files are, for settings and the supervisor."""

import hashlib
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

# sockaddr_un holds 108 bytes; ".s.PGSQL.5432" and a separator need 14 of them.
LONGEST_SOCKET_DIR = 90


def is_reachable(*paths: Path) -> bool:
    """Return whether any user may reach each path: root starts PostgreSQL as one."""
    return all(
        parent.stat().st_mode & 0o001
        for path in paths
        for parent in path.parents
        if parent.exists()
    )


def needs_stand_in(var: Path) -> bool:
    """Return whether root keeps the project below a private folder, such as /root."""
    return os.geteuid() == 0 and not is_reachable(var)


def tag(var: Path) -> str:
    return hashlib.sha256(str(var).encode()).hexdigest()[:12]


def socket_dir(var: Path, name: str) -> Path:
    """Return the folder of a server's socket: under `var`, or a substitute.

    The substitute is used if the path is too long for a socket, or closed to
    PostgreSQL's user.
    """
    wanted = var / name / "run"
    if len(str(wanted)) <= LONGEST_SOCKET_DIR and not needs_stand_in(var):
        return wanted
    return Path(tempfile.gettempdir()) / f"crunchsite-{tag(var)}" / name


def embedded_database_url(var: Path, database: str = "crunchsite") -> str:
    host = quote(str(socket_dir(var, "postgres")), safe="")
    return f"postgresql://crunchsite@/{database}?host={host}"


def embedded_redis_url(var: Path, database: int = 0) -> str:
    return f"unix://{socket_dir(var, 'valkey') / 'valkey.sock'}?db={database}"
