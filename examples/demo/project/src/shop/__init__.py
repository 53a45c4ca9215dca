"""A little shop: prices, discounts and carts."""
