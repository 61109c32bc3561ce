"""Send one message to one receiver: signed, limited in time and size, no redirects."""

from dataclasses import dataclass

import requests

import crunchsite
from core.errors import OperatorError
from core.public_addresses import CONNECT_S, PublicSession
from core.texts import message_of, one_line

READ_S = 10.0
LONGEST_ERROR = 300


@dataclass(frozen=True)
class Outcome:
    """The receiver's answer, and why it is a failure; empty if it is none."""

    status: int | None
    error: str = ""


def post(url: str, body: str, headers: dict[str, str]) -> Outcome:
    """Send the message; read only the status of the answer.

    Never raises for anything that a receiver does. Takes no longer than the name's
    resolution, CONNECT_S for each address, and public_addresses.WHOLE_S.
    """
    with PublicSession() as session:
        try:
            with session.post(
                url,
                data=body.encode(),
                headers={
                    "Content-Type": "application/json",
                    "User-Agent": f"crunchsite/{crunchsite.__version__}",
                    **headers,
                },
                timeout=(CONNECT_S, READ_S),
                allow_redirects=False,
                stream=True,  # the body is not read
            ) as answer:
                return _judged(answer.status_code)
        except OperatorError as error:
            return Outcome(None, one_line(str(error), limit=LONGEST_ERROR))
        except requests.Timeout:
            return Outcome(None, "no answer in time")
        except (requests.RequestException, ValueError) as error:
            return Outcome(None, _reason(error))


def _judged(status: int) -> Outcome:
    if 200 <= status < 300:
        return Outcome(status)
    if 300 <= status < 400:
        return Outcome(status, f"answered {status}; redirects are not followed")
    return Outcome(status, f"answered {status}")


def _reason(error: BaseException) -> str:
    """Return the innermost cause, without the objects that urllib3 writes around it."""
    around = (error.__cause__, getattr(error, "reason", None), *error.args[:1])
    for cause in around:
        if isinstance(cause, BaseException):
            return _reason(cause)
    return one_line(message_of(error), limit=LONGEST_ERROR)
