"""Are the rules in this package those of the site?"""

import requests

from . import config
from .credentials import key_of

TIMEOUT_S = 3


def warning_of_old_rules(url=None):
    """Return a line that names what differs on the site; empty where nothing does.

    Empty, too, where the site gives no answer: a check and a backtest need none.
    """
    site = config.site_url(url)
    key = key_of(site)  # a site may want one for reading
    try:
        answer = requests.get(
            f"{site}/reports/rules",
            params={"competition": config.NAME},
            headers={"X-API-Key": key} if key else {},
            timeout=TIMEOUT_S,
            allow_redirects=not key,  # it would go along
        )
        theirs = answer.json()["rules"] if answer.ok else None
    except (requests.RequestException, ValueError, KeyError, TypeError):
        return ""
    if not isinstance(theirs, dict):
        return ""
    mine = config.rules()
    names = [
        name
        for name in sorted(mine.keys() | theirs.keys())
        if mine.get(name) != theirs.get(name)
    ]
    if not names:
        return ""
    return (
        f"Warning: the site has other rules than this package ({', '.join(names)}); "
        "what you see here differs from it. Install a newer package."
    )
