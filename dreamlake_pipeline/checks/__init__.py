"""Whether an installation works, looked at from one machine: what `dreamlake doctor` and `dreamlake worker` ask.

Each module looks at one part and yields `Finding`s; none of them raises for what it finds wrong. What they put anywhere
they take away again.
"""

from .finding import Finding, Level

__all__ = ["Finding", "Level"]
