"""Money back: reserved before it is asked for, one number for ever, never more than was paid."""
