"""The doctor with a memory: what became of a sub-merchant's orders and refunds speaks too."""
