"""The texts of a file, and the five that are asked about at an instant."""

import json
from pathlib import Path

TEXTS = json.loads(Path(__file__).with_name("headlines.json").read_text())
A_ROUND = 5


def texts_at(now):
    first = int(now.timestamp()) // 60 % len(TEXTS)
    return [TEXTS[(first + i) % len(TEXTS)] for i in range(A_ROUND)]
