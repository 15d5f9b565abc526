from .found import Found as Found
from .page import write_explorer as write_explorer
