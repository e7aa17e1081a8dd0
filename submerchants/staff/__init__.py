"""A sub-merchant's own people: who may sign in to its dashboard, and what each may do."""
