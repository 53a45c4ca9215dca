"""The service's own database: operations and recorded exchanges."""
