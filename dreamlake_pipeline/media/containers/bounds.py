"""How long, large and many a video's parts may be, and the errors for files beyond that or short of what they say."""

from __future__ import annotations

from ...errors import Code, DreamlakeError

MAX_SECONDS = 26 * 3600  # MPEG-TS clocks wrap after 26.5 hours
MAX_PIXELS = 8192 * 8192
MAX_PACKETS = 20_000_000


def refuse_long(seconds: float, subject: str, *, claimed: bool) -> None:
    """Raises MEDIA_TOO_LARGE for more than MAX_SECONDS; `claimed` by a header, or found."""
    if seconds > MAX_SECONDS:
        says = "claims to be" if claimed else "is"
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"{subject} {says} {seconds / 3600:,.1f} hours long; {MAX_SECONDS // 3600} hours are the limit.",
        )


def refuse_large(width: int, height: int, subject: str) -> None:
    """Raises MEDIA_TOO_LARGE for a picture of more than MAX_PIXELS."""
    if width * height > MAX_PIXELS:
        raise DreamlakeError(
            Code.MEDIA_TOO_LARGE,
            f"The picture of {subject} claims to be {width:,} x {height:,} pixels large; "
            f"{MAX_PIXELS / 1e6:.0f} megapixels are the limit.",
        )


def encrypted(subject: str) -> DreamlakeError:
    return DreamlakeError(Code.MEDIA_ENCRYPTED, f"{subject} is encrypted; it can't be processed without its key.")


def cut_off(subject: str, how: str, hint: str | None = None) -> DreamlakeError:
    """`how` says what is missing, in words; `hint` what to do, where it is not just a part that got lost on the way."""
    return DreamlakeError(
        Code.MEDIA_TRUNCATED,
        f"{subject} is incomplete: {how}.",
        hint=hint or "Upload it again; if the original is as short, its recording was cut off.",
    )
