"""From the store to a local folder: whole trees and single files, resumed and verified."""

from .fetcher import DEFAULT_JOBS, Fetcher
from .local import LocalTree
from .wanted import Choice, Wanted
from .what import What

__all__ = ["DEFAULT_JOBS", "Choice", "Fetcher", "LocalTree", "Wanted", "What"]
