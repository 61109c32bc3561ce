import gc

from celery import signals

from crunchsite import celery


def test_a_worker_spares_the_collector_what_it_has_loaded():
    before = gc.get_freeze_count()
    try:
        signals.worker_init.send(sender=celery.app)
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
