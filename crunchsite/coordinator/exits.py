"""What the exit codes of `coordinator` mean; scripts rely on them."""

from core.errors import OperatorError

OK = 0
FAILED = 1  # a check failed
INVALID = 2  # wrong usage, invalid input
FORBIDDEN = 3
UNREACHABLE = 4  # or timed out: try again
REFUSED = 5  # by the state that things are in
INTERRUPTED = 130

_BY_STATUS = {401: FORBIDDEN, 403: FORBIDDEN, 409: REFUSED}
_BY_CODE = {
    "definition_incomplete": FAILED,
    "pack_invalid": INVALID,
    "contract_invalid": INVALID,  # the operator's own code, as with a pack
    "slot_invalid": INVALID,
    "workspace_exists": FAILED,
    "workspace_invalid": INVALID,
    "environment_invalid": INVALID,
    "verification_failed": FAILED,
    "models_failed": FAILED,
    "node_ended": FAILED,
}


def code_of(error: OperatorError) -> int:
    """Return the exit code of a refusal: by its code, else by its API status."""
    by_status = UNREACHABLE if error.status >= 500 else INVALID
    return _BY_CODE.get(error.code, _BY_STATUS.get(error.status, by_status))
