"""The wire forms: request and response models, shared by the services and their clients.

JSON keys are camelCase, Python names snake_case. Requests ignore fields that they do not know.
"""
