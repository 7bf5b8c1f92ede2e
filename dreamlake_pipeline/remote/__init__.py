"""Who is asked over HTTP: our services, one client each, with the patience that both the pipeline and the SDK have."""
