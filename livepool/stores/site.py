"""Create the stores that this site's settings choose."""

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from livepool.stores import Stores
from livepool.stores.local import LocalDocumentStore, LocalReleaseStore


def site_stores() -> Stores:
    """Return a local folder, or with CLOUD_BUCKET Google's; connects to none."""
    env = settings.ENV
    folder = env.pool_store_dir
    collection, document = env.firestore_collection, env.firestore_document
    if not env.cloud_bucket:
        return Stores(
            LocalReleaseStore(folder), LocalDocumentStore(folder, collection, document)
        )
    if not env.cloud_project_id:
        raise ImproperlyConfigured(
            "CLOUD_BUCKET is set but CLOUD_PROJECT_ID was empty; name the project."
        )
    # Google's clients take half a second to import; a local site never needs them.
    from livepool.stores.firestore import FirestoreDocumentStore
    from livepool.stores.gcs import GcsReleaseStore

    return Stores(
        GcsReleaseStore(project=env.cloud_project_id, bucket=env.cloud_bucket),
        FirestoreDocumentStore(
            project=env.cloud_project_id, collection=collection, document=document
        ),
    )
