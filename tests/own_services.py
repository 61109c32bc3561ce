"""Factories and services that the tests name by path."""


class Counting:
    """Notes what it is called with, and answers what the test sets."""

    answer = 0
    called: list = []

    def run_once(self, *arguments):
        self.called.append(arguments)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Idle:
    pass


class Narrow:
    def run_once(self):
        return 0


def with_argument(site):
    return site


def raising():
    raise RuntimeError("the desk is closed")


def leaving():
    raise SystemExit(3)


def no_application(site):
    return "no application"


def hello(site):
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/hello":
            start_response("200 OK", [])
            return [b"hello"]
        return site(environ, start_response)

    return app


NUMBER = 7
