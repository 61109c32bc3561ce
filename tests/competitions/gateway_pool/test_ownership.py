"""One owner per competition, and a successor when it goes."""

import signal
import subprocess
import sys

import psycopg2
import pytest
from django.conf import settings

from competitions.gateway.errors import GatewayError
from competitions.gateway_pool import pool
from competitions.gateway_pool.ownership import claim_competition
from tests.waiting import wait_for


def take(key):
    return claim_competition(key, database_url=settings.DATABASE_URL)


def test_a_second_claim_is_refused_until_the_first_is_released():
    first = take("crunch")

    assert first.is_held()
    assert take("crunch") is None
    other = take("another crunch")

    first.release()
    assert not first.is_held()
    second = take("crunch")
    assert second.is_held()
    second.release()
    other.release()


def test_the_lock_is_freed_when_its_process_is_killed():
    program = (
        "import sys, time; from competitions.gateway_pool import ownership;"
        "held = ownership.claim_competition('crunch', database_url=sys.argv[1]);"
        "print('held', flush=True);"
        "time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, settings.DATABASE_URL], stdout=subprocess.PIPE
    ) as owner:
        assert owner.stdout.readline() == b"held\n"
        assert take("crunch") is None
        owner.send_signal(signal.SIGKILL)
        owner.wait()

    successor = wait_for_claim("crunch")
    assert successor.is_held()
    successor.release()


def test_the_owner_notices_that_its_session_was_ended():
    held = take("crunch")
    end_session_of("crunch-holder", held)

    assert not held.is_held()
    held.release()


def test_a_forked_child_does_not_hold_its_parents_lock():
    """The parent is a process of its own: this one has threads of gRPC."""
    program = (
        "import os, sys; from competitions.gateway_pool import ownership;"
        "held = ownership.claim_competition('crunch', database_url=sys.argv[1]);"
        "child = os.fork();"
        "child or os._exit(1 if held.is_held() else 0);"
        "print(os.waitpid(child, 0)[1], held.is_held())"
    )
    command = [sys.executable, "-c", program, settings.DATABASE_URL]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "0 True\n"


def test_a_process_gets_no_gateway_while_another_owns_it():
    foreign = take("crunch")
    assert pool.gateway_of("crunch") is None

    foreign.release()
    gateway = pool.gateway_of("crunch")
    try:
        assert gateway is not None
        assert pool.gateway_of("crunch") is gateway
        assert take("crunch") is None
    finally:
        pool.close_all()
    wait_for_claim("crunch").release()


def test_a_gateway_is_closed_when_its_lock_is_lost():
    first = pool.gateway_of("crunch")
    try:
        end_session_of("crunch", pool._owned["crunch"].ownership)
        second = pool.gateway_of("crunch")
        assert second is not first
        wait_for(lambda: is_closed(first))
    finally:
        pool.close_all()


def test_a_prefork_child_is_told_to_use_threads(monkeypatch):
    monkeypatch.setattr(pool.current_process(), "_name", "ForkPoolWorker-1")

    with pytest.raises(GatewayError, match="worker -Q models -P threads"):
        pool.gateway_of("crunch")


def is_closed(gateway):
    try:
        gateway.roster()
    except GatewayError:
        return True
    return False


def end_session_of(key, ownership):
    backend = ownership._connection.info.backend_pid
    connection = psycopg2.connect(settings.DATABASE_URL)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [backend])
    connection.close()


def wait_for_claim(key):
    return wait_for(lambda: take(key))
