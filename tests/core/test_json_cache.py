import pickle

import pytest
from django.core.cache import cache

from core.json_cache import JsonSerializer


def test_what_is_kept_is_json_and_comes_back():
    sign = {"node": "celery@a", "at": 1.5, "why": None}
    cache.set("test-json", sign, 60)
    try:
        assert cache.get("test-json") == sign
        raw = cache._cache.get_client("test-json").get(cache.make_key("test-json"))
        assert raw == b'{"node": "celery@a", "at": 1.5, "why": null}'
    finally:
        cache.delete("test-json")


@pytest.mark.parametrize(
    "planted", [pickle.dumps({"a": 1}), b"\xff", b"[" * 100_000, b""], ids=len
)
def test_what_is_no_json_is_as_if_it_were_not_there(planted):
    assert JsonSerializer().loads(planted) is None
