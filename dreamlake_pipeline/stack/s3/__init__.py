"""The embedded S3 server: nanio's application behind a wall that answers as AWS does where nanio lets things pass.

`app` puts it together; `wall` refuses requests before nanio verifies their signatures, and `operations` after that;
`integrity` holds a body to its checksums, `overrides` answers with the headers that a signed URL asks for.
"""
