"""What a reader looks for: one module for each figure or table, under the name of the item."""
