"""API keys: how a tenant's systems prove who they are."""
