"""Resources that run config cannot configure.

Dagster lets run config override every field of a `ConfigurableResource`, and lets it name an environment variable
(`{env: NAME}`) as the value of any of them: whoever may start a run could send any secret of the run's process to any
address. A closed resource is configured by its process alone.
"""

from __future__ import annotations

from typing import Any

from dagster import ConfigurableResource, InitResourceContext, ResourceDefinition, configured


def closed(resource: ConfigurableResource[Any] | ResourceDefinition) -> ResourceDefinition:
    """The resource as it is configured here, with an empty config schema: run config that names any field of it is
    refused when it is validated, before a run is created."""
    definition = resource.get_resource_definition() if isinstance(resource, ConfigurableResource) else resource
    schema = definition.config_schema
    here = schema.default_value if schema.default_provided else {}
    # With a schema of its own, empty as it is: without one, Dagster would accept any config, and ignore it.
    shut = configured(definition, config_schema={})(lambda _: here)
    return _named_after(type(resource), shut) if isinstance(resource, ConfigurableResource) else shut


def _named_after(kind: type, definition: ResourceDefinition) -> ResourceDefinition:
    """The definition, shown in Dagster's UI by the name of its class, as one that is not closed is: Dagster calls any
    other definition what the function that makes the resource is called."""
    make: Any = definition.resource_fn

    def resource(context: InitResourceContext) -> Any:
        return make(context)

    resource.__module__, resource.__name__ = kind.__module__, kind.__name__
    return ResourceDefinition(
        resource, definition.config_schema, definition.description, definition.required_resource_keys
    )
