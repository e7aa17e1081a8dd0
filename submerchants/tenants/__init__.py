"""Sub-merchants under a provider, their numbers and their standing."""
