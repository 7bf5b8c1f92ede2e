"""Dagster's webserver behind a guard, `python -m dreamlake_pipeline.instance.webserver`.

Dagster's own webserver answers anybody who reaches its port, and so does whatever a browser on the same machine is
told to send there by any web page. The guard stands before all of its routes, GraphQL over WebSocket too:

hosts      which `Host` headers are ours: a name that an attacker pointed at this machine is not (DNS rebinding)
origin     which requests come from pages of another origin
session    who has logged in: by the link of `dreamlake status`, or by a bearer token
guard      the ASGI application that asks all of them, and passes on what may be asked of Dagster
pages      the few pages that the guard itself shows
"""
