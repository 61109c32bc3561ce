"""What is wrong with bytes that claim to be a part of a transparency log."""


class LogFormatError(ValueError):
    """The bytes do not have the form that the specification gives."""


class ProofError(ValueError):
    """The form is right, and the proof or the signature does not hold."""


class UnknownSignerError(ProofError):
    """None of the keys that the reader knows has signed this."""


class UnprovenKeyError(UnknownSignerError):
    """Nothing leads from the keys that are known to the one that signed."""
