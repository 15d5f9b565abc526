from .product import Product as Product
from .registry import ITEMS as ITEMS, Item as Item
from .study import Study as Study
