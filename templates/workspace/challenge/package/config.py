"""Where the site is, and what the competition asks; the environment comes first."""

import json
import os
import re
from functools import cache
from pathlib import Path

NAME = "{{ slug }}"
PACKAGE = "{{ package }}"
# TODO: the address of your site, as participants reach it.
SITE = "http://localhost:8000"


def site_url(given=None):
    """Return the site's address: the argument, COORDINATOR_URL, or the package's."""
    return (given or os.environ.get("COORDINATOR_URL") or SITE).rstrip("/")


def cache_folder(site, given=None):
    """Return the folder of downloaded data: the argument, CRUNCH_CACHE, or ~/.cache.

    There each site has its own: another one's days are no data of this one.
    """
    if chosen := given or os.environ.get("CRUNCH_CACHE"):
        return Path(chosen)
    place = re.sub(r"[^\w.-]+", "_", site.partition("://")[2])
    return Path.home() / ".cache" / f"crunch-{NAME}" / place


@cache
def rules():
    """Return the competition's rules, as the site had them when this was made."""
    return json.loads((Path(__file__).parent / "rules.json").read_text("utf-8"))


def subjects():
    """Return what the competition asks about, sorted."""
    from ._engine.rules.question_rule import scope_of

    found = rules()
    return sorted(
        {
            scope_of(found["scope"], each["scope_template"], each["horizon_s"])["subject"]
            for each in found["schedule"]
        }
    )


def feed():
    """Return source, kind and granularity of the data; the environment comes first."""
    found = rules()["feed"]
    return tuple(
        os.environ.get(f"BACKTEST_{name.upper()}") or found[name]
        for name in ("source", "kind", "granularity")
    )
