"""The last step of a publication: read it back as a consumer does."""

from core import clock
from livepool.errors import PublishError
from livepool.model import parameters
from livepool.reader import Reader
from livepool.stores import Stores


def check_as_consumer(stores: Stores, version: str) -> None:
    """Read the document as a consumer does; raise PublishError if it refuses it."""
    files = stores.releases.read_release(version)
    document = stores.documents.read()
    reader = Reader(
        max_age_days=100_000,
        acceptable_modes=tuple(parameters.PROFILES),
        expected_size=None,
        fetch=lambda uri: files[uri.rpartition("/")[2]],
        today=lambda: clock.now().date(),
    )
    pool = reader.load(lambda: document.payload if document else None)
    if pool.degraded or pool.version != version:
        raise PublishError(
            f"a consumer does not accept {version}: {'; '.join(pool.messages)}"
        )
