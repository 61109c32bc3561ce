"""Why no workspace was made; nothing was written."""

from core.errors import OperatorError


class ScaffoldError(OperatorError):
    """An answer, a file or a name that does not do: what was found, what to do."""

    code = "scaffold_invalid"
    status = 422


class WorkspaceExistsError(ScaffoldError):
    """There is something at the place of the workspace."""

    code = "workspace_exists"
    status = 409
