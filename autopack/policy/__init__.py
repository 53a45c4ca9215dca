"""Plans and policies: what people write, as checked and immutable values."""
