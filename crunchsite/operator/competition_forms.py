"""Forms of competitions: one that creates from a pack, one that edits."""

from typing import Any

from django import forms
from django.conf import settings
from django.db import transaction
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from competitions import lifecycle, packs
from competitions.config_loader import load_config
from competitions.errors import (
    ContractError,
    PackError,
    ScheduleError,
    SlotError,
)
from competitions.models import Competition
from competitions.slots import wire
from competitions.trial_process import try_apart
from core.errors import OperatorError
from core.texts import listed
from crunchsite.operator.editing import WIRING
from crunchsite.templatetags.figures import duration
from feeds.errors import (
    UnknownGranularityError,
    UnknownKindError,
    UnknownSourceError,
    UnknownSubjectError,
)
from feeds.providers import sources
from feeds.tape.records import CANDLE, TICK

GRANULARITIES = ("1s", "5s", "15s", "1m", "5m", "15m", "1h", "4h", "1d")
_FIELDS: dict[type[OperatorError], str] = {
    PackError: "pack",
    ContractError: "config_path",
    SlotError: "config_path",
    ScheduleError: "feed_granularity",
    UnknownSourceError: "feed_source",
    UnknownKindError: "feed_kind",
    UnknownGranularityError: "feed_granularity",
    UnknownSubjectError: "subjects",
}


def _choice(values: Any, *, empty: str = "", **options: Any) -> forms.ChoiceField:
    choices = [(value, value) for value in values]
    return forms.ChoiceField(
        choices=[("", empty), *choices] if empty else choices,
        required=not empty,
        widget=UnfoldAdminSelectWidget(),
        **options,
    )


class AddCompetitionForm(forms.ModelForm):  # type: ignore[type-arg]  # a class has no index at run time
    """Create a competition from a pack, as `manage.py create_competition` does."""

    subjects = forms.CharField(
        required=False,
        widget=UnfoldAdminTextInputWidget(),
        help_text="What is asked about, comma separated, like BTCUSDT, ETHUSDT. "
        "Empty: FEED_SUBJECTS, else the pack's.",
    )

    class Meta:
        model = Competition
        fields = (
            *("slug", "name", "pack", "config_path"),
            *("feed_source", "feed_kind", "feed_granularity"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        shown = self.fields
        shown["pack"] = _choice(packs.names(), help_text=schedules())
        shown["feed_source"] = _choice(sources.names())
        shown["feed_kind"] = _choice((CANDLE, TICK), empty="the pack's")
        shown["feed_granularity"] = _choice(GRANULARITIES, empty="the pack's")
        if "config_path" in shown:
            shown["config_path"].help_text = (
                "The contract, module:attribute; empty: the site's. Its own "
                "scheduled_predictions stand in place of the pack's."
            )
        shown["name"].required = False
        shown["name"].help_text = "Empty: made of the slug."
        shown["slug"].help_text = "Its address. It stays once the competition runs."
        self.initial = {
            "pack": packs.DEFAULT,
            "feed_source": settings.ENV.feed_source,
            **self.initial,
        }

    def clean(self) -> dict[str, Any]:
        """Create the competition, so that errors are shown at their fields."""
        cleaned: dict[str, Any] = self.cleaned_data
        if self.errors:
            return cleaned
        try:
            with transaction.atomic():
                self.instance = lifecycle.create_competition(
                    slug=cleaned["slug"],
                    pack_name=cleaned["pack"],
                    name=cleaned["name"],
                    config_path=cleaned.get("config_path", ""),
                    feed_source=cleaned["feed_source"],
                    feed_kind=cleaned["feed_kind"],
                    feed_granularity=cleaned["feed_granularity"],
                    subjects=list(listed(cleaned["subjects"])),
                )
        except OperatorError as error:
            wrong = _FIELDS.get(type(error), "slug")
            self.add_error(wrong if wrong in self.fields else None, str(error))
        return cleaned

    def _post_clean(self) -> None:
        """Do nothing: `clean` has created the row."""

    def save(self, commit: bool = True) -> Competition:
        made: Competition = self.instance
        return made

    def save_m2m(self) -> None:
        """Do nothing: there are no many-to-many rows."""


def schedules() -> SafeString:
    """Describe every pack's feed and questions."""
    return format_html_join(
        "", "{}<br>", ((_in_words(packs.load(name)),) for name in packs.names())
    )


def _in_words(pack: packs.Pack) -> SafeString:
    questions = "; ".join(
        f"{config.scope_key}: every "
        f"{duration(config.schedule.prediction_interval_seconds)}, "
        + (
            f"{duration(config.schedule.resolve_horizon_seconds)} ahead"
            if config.schedule.resolve_horizon_seconds
            else "known at once"
        )
        for config in pack.scheduled_prediction_configs
    )
    return format_html(
        "<b>{}</b> ({}, {}s of {}): {}.",
        pack.id,
        pack.description,
        pack.feed.kind,
        pack.feed.granularity,
        questions,
    )


class CompetitionForm(forms.ModelForm):  # type: ignore[type-arg]  # a class has no index at run time
    """Refuse code that would not load, before it is saved for the workers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, values in (
            ("feed_source", sources.names()),
            ("feed_kind", [CANDLE, TICK]),
            ("feed_granularity", GRANULARITIES),
        ):
            if name in self.fields:
                now = getattr(self.instance, name)
                self.fields[name] = _choice(dict.fromkeys([now, *values]))

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        if set(WIRING) <= cleaned.keys() and set(WIRING) & set(self.changed_data):
            wiring = {name: cleaned[name] for name in WIRING}
            try:
                try_apart(**wiring)
                wire(load_config(cleaned["config_path"]), cleaned["slots"])
            except ContractError as error:
                self.add_error("config_path", str(error))
            except SlotError as error:
                self.add_error("slots", str(error))
        return cleaned
