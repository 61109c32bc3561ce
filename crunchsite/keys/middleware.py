"""Find the holder of a request's key before any view runs."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from core.permissions import REALM
from core.refusals import envelope
from crunchsite.edge import Handler
from crunchsite.keys.checking import KeyRefusedError, holder_of
from crunchsite.keys.holder import KeyHolder
from crunchsite.keys.throttling import take_turn, tell, too_often
from crunchsite.readers import is_apart


class KeysMiddleware:
    """Set `request.user` to the key's holder; refuse bad keys and too many requests.

    The admin accepts no key, and health checks need none.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if standing := getattr(request, "standing", None):
            tell(response, standing)
        return response

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        if is_apart(request):
            return None
        holder, refused = _asks(request)
        # A wrong key uses up a token of its address, which limits guessing.
        standing = take_turn(request, holder)
        request.standing = standing  # type: ignore[attr-defined]  # told in the answer
        if standing is not None and not standing.is_taken:
            return too_often(request, standing)
        if refused is not None:
            return _refused(refused)
        if holder is not None:
            request.user = holder  # type: ignore[assignment]  # as core.acts asks it
        return None


def _asks(request: HttpRequest) -> tuple[KeyHolder | None, KeyRefusedError | None]:
    try:
        return holder_of(request), None
    except KeyRefusedError as refused:
        return None, refused


def _refused(refused: KeyRefusedError) -> JsonResponse:
    body = envelope(str(refused), refused.code)
    headers = {"WWW-Authenticate": REALM} if refused.status == 401 else {}
    return JsonResponse(body, status=refused.status, headers=headers)
