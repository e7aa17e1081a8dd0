"""Orders: what a sub-merchant asks to be paid for, from intent to money."""
