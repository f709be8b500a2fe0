"""Makes what tests need, by the product's own services."""
