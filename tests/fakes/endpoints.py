"""An operator's own endpoints, as API_ROUTES names them."""

from rest_framework.response import Response
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSet


class Greetings(ViewSet):
    def list(self, request):
        return Response(["hello"])


router = SimpleRouter(trailing_slash=False)
router.register("greetings", Greetings, basename="greetings")
access = "read"
