"""Pages, as people and their browsers see them."""
