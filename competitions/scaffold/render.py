"""Write a workspace from its answers: all of it or nothing."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import django
from django.apps import apps
from django.conf import settings
from django.template import Context, Engine, TemplateDoesNotExist, TemplateSyntaxError

from competitions.config_loader import load_config
from competitions.contract import CrunchConfig
from competitions.errors import DefinitionError
from competitions.package_rules import RULES_FILE, public_schemas, rules_text
from competitions.scaffold import engine_copy, process_log, vendor
from competitions.scaffold.answers import SPEC_VERSION, Answers
from competitions.scaffold.errors import ScaffoldError, WorkspaceExistsError
from competitions.scaffold.gate import undecided
from competitions.scaffold.layouts import (
    PLANS,
    callables_of,
    check_modules,
    files_of,
    folders_of,
    is_shared,
)
from competitions.scaffold.naming import Names, names_of
from competitions.scaffold.public_rules import contract_in, rules_of_answers
from competitions.scopes import subject_in
from competitions.slots import SLOTS, default_path
from competitions.standard_report import standard_schema
from core.files import new_folder

# It says that the folder is a workspace, so that --force removes nothing else.
SPEC_FILE = "spec.json"
# Stands for the public package in the callables of a pack.
PLACE = "{package_module}"
_CONTRACTS = "node/runtime_definitions/contracts.py"


class _UnknownNameError(Exception):
    """A template uses a name that has no value."""


class _Undefined(str):
    """Stands for a name that a template uses and nobody gave."""

    __slots__ = ()

    def __mod__(self, missing: Any) -> str:
        raise _UnknownNameError(str(missing))


class Workspace:
    """A workspace to be written: its names, its answers, its files."""

    def __init__(self, answers: Answers) -> None:
        """Take whole answers; raises DefinitionError naming what lacks."""
        self.names: Names = names_of(answers.name or "")
        if lines := undecided(answers):
            raise DefinitionError(
                "the definition is not complete, so nothing was written. Give a value, "
                "or leave out the line to take the pack's. " + "; ".join(lines)
            )
        self.answers = answers
        self.layout = answers.layout or "vendored"
        if PLANS[self.layout].is_vendored and settings.IS_INSTALLED:
            raise ScaffoldError(
                f"layout was {self.layout}, which carries a copy of the engine: this "
                "one is an installed package. Use --layout thin, or a clone."
            )
        self._files = files_of(self.layout, self.names, answers.overlay)
        own = callables_of(self.layout, self.names)
        self.callables = {
            slot: own.get(slot, path) if path == default_path(slot) else path
            for slot, path in (
                (
                    slot,
                    (answers.callables[slot] or "").replace(PLACE, self.names.package),
                )
                for slot in SLOTS
            )
        }
        check_modules(self._files, self.callables)

    def tree(self) -> list[str]:
        """Return the path of every file, sorted; the engine's copy as one line."""
        paths = [*self._files, SPEC_FILE, process_log.NAME]
        if PLANS[self.layout].is_vendored:
            paths.append(f"{self.node}/runtime/")
        return sorted(paths)

    @property
    def node(self) -> str:
        return folders_of(self.layout, self.names)[1]

    def write(
        self,
        output: Path,
        *,
        is_forced: bool = False,
        finish: Callable[[Path], None] | None = None,
    ) -> Path:
        """Write the workspace into `output/<name>` and return that folder.

        `is_forced` replaces a workspace that is there, and nothing else. `finish` gets
        the folder before it is moved to its place. Raises
        WorkspaceExistsError, and ScaffoldError when the disk refuses.
        """
        target = output / self.names.slug
        if target.exists() or target.is_symlink():
            _check_replaceable(target, is_forced=is_forced)
        try:
            output.mkdir(parents=True, exist_ok=True)
            draft = new_folder(target)
        except OSError as error:
            raise ScaffoldError(
                f"{output} cannot be written: {error.strerror}."
            ) from None
        try:
            self._fill(draft)
            if finish:
                finish(draft)
            if target.exists():
                shutil.rmtree(target)
            draft.rename(target)
        except OSError as error:
            raise ScaffoldError(
                f"{error.filename or target} cannot be written: {error.strerror}."
            ) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return target

    def _fill(self, folder: Path) -> None:
        rendered = dict(self._rendered())
        for path, text in rendered.items():
            _write(folder / path, text)
        _write(folder / SPEC_FILE, self.spec())
        actions = ["scaffold_created"]
        if PLANS[self.layout].is_vendored:
            runtime = folder / self.node / "runtime"
            vendor.copy_engine(runtime)
            digests = vendor.shared_digests(self._shared(rendered))
            _write(runtime / vendor.SHARED_FILE, digests)
            actions.append("runtime_vendored")
        _write(folder / process_log.NAME, process_log.lines(self, actions))

    def shared(self) -> dict[str, str]:
        """Return the files of the public package that are the engine's, with texts."""
        return self._shared(dict(self._rendered()))

    def _shared(self, rendered: Mapping[str, str]) -> dict[str, str]:
        return {p: text for p, text in rendered.items() if is_shared(self._files[p])}

    def spec(self) -> str:
        """Return the normalised answers, from which the same workspace is made."""
        answers = self.answers.model_copy(update={"callables": self.callables})
        document = answers.model_dump(mode="json", exclude_none=True)
        document["spec_version"] = SPEC_VERSION
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"

    def _rendered(self) -> Iterator[tuple[str, str]]:
        folders = [settings.BASE_DIR / "templates" / "workspace"]
        if own := self.answers.overlay:
            folders.insert(0, own)
        engine = Engine(
            dirs=[str(folder) for folder in folders],
            autoescape=False,
            string_if_invalid=_Undefined("%s"),
            builtins=["competitions.scaffold.filters"],
        )
        context = Context(self._names(), autoescape=False, use_l10n=False)
        laid_in = self._laid_in(_text(engine, _CONTRACTS, context))
        for path, template in sorted(self._files.items()):
            if template in laid_in:
                yield path, laid_in[template]
                continue
            if template == "challenge/package/tracker.py":
                yield path, vendor.tracker()  # the very class that models run on
                continue
            yield path, _text(engine, template, context)

    def _laid_in(self, contracts: str) -> dict[str, str]:
        """Return the files of the public package that no template makes.

        `contracts` is the text of the node's module with the contract.
        """
        if RULES_FILE not in {Path(path).name for path in self._files}:
            return {}
        if self.answers.contract and not apps.ready:
            django.setup()  # a contract of the site may name its tables
        config = contract_in(contracts)
        rules = rules_of_answers(config, self.answers)
        folder = "challenge/package"
        return {
            f"{folder}/{RULES_FILE}": rules_text(rules),
            **{
                f"{folder}/schemas/{name}": text
                for name, text in public_schemas(config).items()
            },
            **{
                f"{folder}/{engine_copy.FOLDER}/{path}": text
                for path, text in engine_copy.engine_files().items()
            },
        }

    def _report_schema(self) -> dict[str, Any]:
        """Return the standard report of the contract that the workspace begins with."""
        path = self.answers.contract or ""
        if not path.startswith("competitions."):
            return standard_schema(CrunchConfig())
        if not apps.ready:  # a contract of the site may name its tables
            django.setup()
        return standard_schema(load_config(path))

    def _names(self) -> dict[str, Any]:
        answers, names = self.answers, self.names
        challenge, node = folders_of(self.layout, names)
        return {
            "slug": names.slug,
            "package": names.package,
            "title": answers.title or names.title,
            "description": answers.description,
            "challenge": challenge,
            "node": node,
            "layout": self.layout,
            "is_vendored": PLANS[self.layout].is_vendored,
            "engine_version": vendor.engine_version(),
            "has_engine": any(path.endswith(RULES_FILE) for path in self._files),
            "crunch_id": answers.crunch_id,
            "pack": answers.pack,
            "base_classname": answers.model_base_classname,
            "interval_s": answers.checkpoint_interval_seconds,
            "rationale": answers.checkpoint_interval_rationale,
            "callables": self.callables,
            "schedule": [
                config.model_dump(mode="json", exclude_none=True)
                for config in answers.scheduled_prediction_configs or []
            ],
            "questions": [
                {
                    "key": config.scope_key,
                    "subject": subject_in(config.scope_template),
                    "every_s": config.schedule.prediction_interval_seconds,
                    "horizon_s": config.schedule.resolve_horizon_seconds,
                    "active": config.active,
                }
                for config in answers.scheduled_prediction_configs or []
            ],
            "feed": answers.feed,
            "metrics": answers.metrics,
            "contract": (answers.contract or "").partition(":")[::2],
            "report_schema": self._report_schema,
        }


def _text(engine: Engine, template: str, context: Context) -> str:
    """Render a template; raises ScaffoldError naming it."""
    try:
        text: str = engine.get_template(template).render(context)
    except (TemplateSyntaxError, TemplateDoesNotExist, UnicodeError) as error:
        raise ScaffoldError(f"template {template}: {error}.") from None
    except _UnknownNameError as error:
        names = ", ".join(sorted(str(name) for name in context.dicts[1]))
        raise ScaffoldError(
            f"template {template}: {error} has no value; the names are {names}."
        ) from None
    return text


def _check_replaceable(target: Path, *, is_forced: bool) -> None:
    if not is_forced:
        raise WorkspaceExistsError(
            f"{target} exists; choose another name, or replace it with --force."
        )
    if target.is_symlink() or not (target / SPEC_FILE).is_file():
        raise WorkspaceExistsError(
            f"{target} is no workspace (it has no {SPEC_FILE}), so --force does not "
            "replace it."
        )


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")
