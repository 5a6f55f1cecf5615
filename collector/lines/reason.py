"""What went wrong on the way to a far side, in a few words."""

from collector.text import plain

LONGEST_REASON = 200


def why(error: BaseException) -> str:
    """Return what went wrong in a few words, without the number of the error."""
    reason = getattr(error, "verify_message", "")
    if reason:
        return f"certificate verify failed: {reason}"
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return plain(str(words), LONGEST_REASON)
