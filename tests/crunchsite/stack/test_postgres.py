"""Who gets into the embedded PostgreSQL."""

import os
import subprocess

import psycopg2
import pytest

from crunchsite.settings.places import embedded_database_url, socket_dir
from crunchsite.settings.test import SERVERS_DIR
from crunchsite.stack.postgres import Postgres


def test_it_trusts_nobody():
    rules = (Postgres(SERVERS_DIR)._data / "pg_hba.conf").read_text()
    assert "trust" not in rules
    assert "local all crunchsite peer map=starter" in rules


def test_the_starter_has_one_role():
    url = embedded_database_url(SERVERS_DIR, "postgres")
    psycopg2.connect(url).close()
    with pytest.raises(psycopg2.OperationalError, match=r"no pg_hba\.conf entry"):
        psycopg2.connect(url.replace("crunchsite@", "postgres@"))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_another_user_is_refused_even_where_the_folder_lets_it_in():
    """The server's own user owns the socket's folder; strangers may be that user."""
    owner = socket_dir(SERVERS_DIR, "postgres").stat()
    found = subprocess.run(
        [
            Postgres(SERVERS_DIR)._install / "bin" / "psql",
            embedded_database_url(SERVERS_DIR, "postgres"),
        ],
        user=owner.st_uid,
        group=owner.st_gid,
        extra_groups=[],
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Peer authentication failed" in found.stderr
