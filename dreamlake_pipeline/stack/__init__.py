"""The embedded stack: Postgres, an S3 server, both services and Dagster, as one thing to start and stop.

`state` remembers it, `processes` names its parts, `control` starts, stops and inspects them.
"""
