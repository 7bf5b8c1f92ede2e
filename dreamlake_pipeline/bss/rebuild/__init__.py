"""Making the records again from the bucket alone, when the database is lost.

A walk in steps (`walk.py`), as a check is: the segments of the pool, journals, each meta.json with its playlists. What
is read goes into the table `rebuilt`, so that no run takes a file of which not everything is known; at the end the
records are made of it (`making.py`). Every step may be done twice, and what is there already stays as it is.

A database that is new beside a bucket that is not is a lost one (`origin.py`): nothing is registered in it, and nothing
of the bucket is freed, until it is rebuilt.
"""

from .origin import Origin
from .walk import step

__all__ = ["Origin", "step"]
