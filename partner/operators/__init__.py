"""The provider's own people: who may sign in to the operator console, and what each may do."""
