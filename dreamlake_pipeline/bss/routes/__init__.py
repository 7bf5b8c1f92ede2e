"""The routes, by subject. They check who asks, call a function of the service, and answer."""
