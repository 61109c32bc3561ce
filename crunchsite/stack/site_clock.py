"""Run the site's clock for `manage.py up`; it stands still while the site is down."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from core import clock
from core.files import write_file
from crunchsite.settings.env import Env
from feeds.providers import replay

SAVE_EVERY_S = 2.0


@dataclass
class SiteClock:
    """The clock's state in `VAR_DIR/clock.json`, stored unless it is the real time."""

    env: Env
    is_ours: bool = False

    def start(self) -> None:
        """Continue where the clock stood, or start it as the settings say."""
        if self.env.clock_anchor:
            clock.clock_file().unlink(missing_ok=True)
            return
        if (start := self._continued() or self._begun()) is None:
            return
        clock.install(
            clock.Clock(
                start=start, anchor=clock.wall_now(), speed=self.env.clock_speed
            )
        )
        self.is_ours = True
        self.save()

    def save(self, *, is_stopped: bool = False) -> None:
        """Store the clock's present time. Raises OSError."""
        if not self.is_ours:
            return
        now = clock.Clock(
            start=clock.now(), anchor=clock.wall_now(), speed=clock.speed()
        )
        kept = {**json.loads(now.to_json()), "is_stopped": is_stopped}
        write_file(clock.clock_file(), json.dumps(kept))

    def _continued(self) -> datetime | None:
        """Return where it stood; after a kill, not earlier than it may have shown."""
        file = clock.clock_file()
        if not file.exists():
            return None
        kept = clock.Clock.from_json(file.read_text())
        if json.loads(file.read_text()).get("is_stopped", True):
            return kept.start
        ran_s = (clock.wall_now() - kept.anchor).total_seconds()
        unseen_s = min(max(ran_s, 0.0), 2 * SAVE_EVERY_S)
        return kept.start + timedelta(seconds=unseen_s) * kept.speed

    def _begun(self) -> datetime | None:
        if self.env.clock_start:
            return clock.parse_instant(self.env.clock_start, "CLOCK_START")
        if self.env.feed_source == "replay":
            return replay.first_instant(Path(self.env.feed_replay_path))
        return clock.wall_now() if self.env.clock_speed != 1.0 else None
