"""Functions that return saved rows; every field a test does not name is valid and dull."""
