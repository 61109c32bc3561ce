"""Variables of the site's clock."""

from pydantic_settings import BaseSettings

from crunchsite.settings.variables.declaring import setting


class TimeVariables(BaseSettings):
    """Where the site's clock starts, and how fast it runs."""

    clock_speed: float = setting(
        1.0, "How fast the site's clock runs; 60 plays an hour in a minute.", gt=0
    )
    clock_start: str = setting(
        "",
        "Instant (ISO 8601, UTC) at which the site's clock starts. Empty: the real"
        " time, or the first candle of FEED_REPLAY_PATH.",
    )
    clock_anchor: str = setting(
        "",
        "Real instant at which the clock showed CLOCK_START, the same for all "
        "processes. Not for `manage.py up`, which keeps its own.",
    )
