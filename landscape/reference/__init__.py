"""Numbers that papers print, as data to compare with."""
