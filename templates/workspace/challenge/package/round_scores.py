"""Scores the rounds of a backtest, and takes the digest of them."""

import hashlib
from types import SimpleNamespace

import numpy as np

from .json_column import as_json, number_texts
from .model_files import LONGEST_REASON
from .round_columns import ANSWERED, OUTCOMES, RESOLVED, STATUSES


def score_rounds(columns, score, value_field):
    """Score every answered round with a truth; return the SHA-256 of all rounds.

    `score` is called once for each, as on the site; one that raises fails its round.
    """
    digest = hashlib.sha256()
    for number, part in enumerate(columns.blocks):
        outputs, truths = columns.outputs.block(number), columns.truths(part)
        places = np.flatnonzero(
            (columns.status[part] == RESOLVED) & (columns.outcome[part] == ANSWERED)
        )
        results, scores = [None] * len(outputs), [None] * len(outputs)
        for i in places.tolist():
            try:
                results[i], scores[i] = _scored(
                    score, outputs[i], truths[i], part.start + i, value_field
                )
            except Exception as error:
                reason = str(error)[:LONGEST_REASON]
                columns.failed_reason[part.start + i] = columns.texts.code(reason)
        columns.results.append(results)
        columns.score[part] = np.array(scores, float)  # None becomes NaN
        text = "\n".join(digest_lines(columns, number))
        digest.update((("\n" if number else "") + text).encode())
    return digest.hexdigest()


def _scored(score, output, truth, number, value_field):
    """Return what the scorer gave, and its value; raises what makes it a failure."""
    prediction = SimpleNamespace(**output)
    prediction.model_id, prediction.prediction_id = "backtest", number
    result = score(
        prediction, SimpleNamespace(**truth, **{"return": truth["actual_return"]})
    )
    result = result if isinstance(result, dict) else vars(result)
    if not result.get("success", True):
        raise ValueError(result.get("failed_reason") or "no reason was given")
    value = result.get(value_field)
    if isinstance(value, bool) or not abs(value) <= 1e100:
        raise ValueError(f"the score was {value!r}; a score is finite")
    return result, float(value)


def digest_line(row):
    """Return what the digest holds of a round, as one line of JSON with sorted keys."""
    found = {name: row[name] for name in _NAMES}
    return as_json({**found, "slot_at": int(row["slot_at"])})


def digest_lines(columns, number):
    """Return the lines of a block of rounds: as `digest_line`, of whole columns."""
    part = columns.blocks[number]
    scores = columns.score[part]
    numbers = [text if text != "nan" else "null" for text in number_texts(scores)]
    keys = [as_json(each["scope_key"]) for each in columns.questions]
    outcomes, statuses = (list(map(as_json, each)) for each in (OUTCOMES, STATUSES))
    rows = zip(
        [outcomes[each] for each in columns.outcome[part].tolist()],
        columns.outputs.texts(number),
        [keys[each] for each in columns.place[part].tolist()],
        numbers,
        map(str, columns.slot_at[part].astype(np.int64).tolist()),
        [statuses[each] for each in columns.status[part].tolist()],
        columns.truth_texts(part),
    )
    return list(map(_LINE.__mod__, rows))


_NAMES = ("outcome", "output", "scope_key", "score", "slot_at", "status", "truth")
_LINE = "{" + ",".join(f'"{name}":%s' for name in _NAMES) + "}"
