"""The rows of the catalogue, a file for each kind of method: the settings of a method, and its row below them."""
