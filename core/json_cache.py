"""Store cache values as JSON, so that nobody who can write to Redis can inject code."""

import json
from typing import Any


class JsonSerializer:
    """Serializer for the option `serializer` of Django's Redis cache."""

    def dumps(self, value: Any) -> bytes:
        return json.dumps(value, allow_nan=False).encode()

    def loads(self, data: bytes) -> Any:
        """Return the value; None, as for a missing key, if it is not JSON."""
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            return None
