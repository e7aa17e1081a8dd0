"""Staff of sub-merchants."""
