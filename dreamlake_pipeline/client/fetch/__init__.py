"""From the store to a local folder: whole trees and single files, resumed and verified."""

from .fetcher import DEFAULT_JOBS, Fetcher
from .local import LocalTree
from .pour import Writable, pour
from .wanted import Choice, Stored, Wanted
from .what import What, check_what

__all__ = [
    "DEFAULT_JOBS",
    "Choice",
    "Fetcher",
    "LocalTree",
    "Stored",
    "Wanted",
    "What",
    "Writable",
    "check_what",
    "pour",
]
