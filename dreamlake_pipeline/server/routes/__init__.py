"""The routes of DreamLake Server, by subject: each checks who calls, and leaves the work to the modules above."""
