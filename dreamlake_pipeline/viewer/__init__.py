"""The viewer: pages on which a person sees what was ingested. It is a client of both services, with the
token of whoever looks, and has no rights of its own."""
