"""The tenant API, version 1: a tenant's systems talk to the platform here."""
