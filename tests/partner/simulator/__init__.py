"""The simulator seen from outside: as an SDK, a payer, and a developer with curl see it."""
