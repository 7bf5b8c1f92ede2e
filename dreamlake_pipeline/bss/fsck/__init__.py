"""Are the records, the bucket and the chunk pool what they say of each other?

A check is a walk in steps (`walk.py`), each of which looks for about two seconds, so that neither a proxy nor a restart
harms it. It changes nothing. Whatever looks wrong is looked at again before it is told, since files are uploaded,
processed and deleted all the while: a record that changed between the two looks was on its way, and is not damaged.

Nothing is parsed that strangers made: bytes are held to the sizes and hashes that were noted when they were stored.
"""

from .repair import look_up, repair
from .walk import step

__all__ = ["look_up", "repair", "step"]
