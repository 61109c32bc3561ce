"""Who asks with a key is known before any view, page or download is asked."""

from typing import Any

from django.http import HttpRequest, HttpResponseBase, JsonResponse

from core.permissions import REALM
from core.refusals import envelope
from crunchsite.edge import Handler
from crunchsite.keys.checking import KeyRefusedError, holder_of
from crunchsite.readers import is_apart


class KeysMiddleware:
    """Set `request.user` to the key's holder; refuse a key that lets nobody in.

    The admin takes no key, and what tells that the site lives asks for none.
    """

    def __init__(self, get_response: Handler) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, *_: Any) -> HttpResponseBase | None:
        if is_apart(request):
            return None
        try:
            holder = holder_of(request)
        except KeyRefusedError as refused:
            return _refused(refused)
        if holder is not None:
            request.user = holder  # type: ignore[assignment]  # as core.acts asks it
        return None


def _refused(refused: KeyRefusedError) -> JsonResponse:
    body = envelope(str(refused), refused.code)
    headers = {"WWW-Authenticate": REALM} if refused.status == 401 else {}
    return JsonResponse(body, status=refused.status, headers=headers)
