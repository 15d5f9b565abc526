from .machinery.product import Product as Product
from .machinery.registry import ITEMS as ITEMS, Item as Item
from .machinery.study import Study as Study
