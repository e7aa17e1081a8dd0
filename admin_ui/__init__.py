"""Pages for the provider's operators and for sub-merchant staff."""
