"""What the tests of this room share."""

import sqlalchemy as sa

from feeds.tape.engine import transaction


def scalar(statement):
    with transaction() as connection:
        return connection.scalar(sa.text(statement))
