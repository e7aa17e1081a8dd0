"""How a process is set up. This floor knows no payments and no merchants."""
