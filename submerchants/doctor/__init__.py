"""The doctor: which link between a sub-merchant and its payments is missing, and who mends it."""
