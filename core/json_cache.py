"""What the cache holds is JSON: who can write to Redis plants data there, no code."""

import json
from typing import Any


class JsonSerializer:
    """For the option `serializer` of Django's Redis cache."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, allow_nan=False).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value; None, as if it were not there, for what is no JSON."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None
