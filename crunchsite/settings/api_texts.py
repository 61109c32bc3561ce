"""What the schema says of the API as a whole: its introduction and its tags."""

INTRODUCTION = """\
Programs read what the site's pages show, and operators act, over this API.

**Versions.** Addresses below `/api/v1/` are the API of this site: pages with `results`
and `next`, filters, sparse fields, CSV and Parquet. Addresses without it are those that
programs of other coordinators know: plain lists, the next page in the header `Link`.
Within a version, fields are added and never change their meaning.

**Authentication.** Reads are open, unless the operator closes them. A write needs a
key: `Authorization: Bearer <key>` or `X-API-Key: <key>`. An operator makes it with the
scopes that it needs. A key in the address is refused.

**A competition** is chosen by `?competition=<slug>`; without it, the first one that
runs.

**Errors** are `{"detail": "...", "code": "..."}`: the detail is for people, the code
never changes. 422 begins with the name of the value that does not fit.

**Paging.** `limit` has a maximum. Follow `next`, or the header `Link`, until there is
none: you have then seen each row once. Do not interpret a cursor.

**Limits.** Each answer has `RateLimit-Remaining` and `RateLimit-Reset`. Above the limit
the answer is 429; wait for `Retry-After` seconds. A body has at most 64 KiB, a posted
round 16 MiB, a model's file 50 MiB.

**Values.** Instants are ISO 8601 in UTC, periods are half-open, and what is unknown is
`null`, never 0.
"""
_TAGS = {
    "Competitions": "What is asked, who takes part, and how a user interface shows it.",
    "Rounds and predictions": "The questions of the grid, and the models' answers.",
    "Scores and boards": "What answers were worth, summed up, compared and ranked.",
    "Payouts": "Checkpoints of emissions, rewards, and how far they are paid.",
    "Proofs": "The log that nobody can rewrite unseen, and receipts from it.",
    "Market data": "What the tape holds, its backfill, and files to download.",
    "Live pool": "The ordered coins that trading systems may hold, as releases.",
    "Events": "What has happened, in order.",
    "Tournament": "Rounds whose samples and truths a program posts.",
    "Operate": "What operators do: create, run and correct competitions.",
    "Site": "Is it alive, is it ready, how long do things take?",
}
TAGS = [{"name": name, "description": text} for name, text in _TAGS.items()]
