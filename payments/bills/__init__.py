"""Trade bills: fetched once, verified, kept as they came, split by sub-merchant."""
