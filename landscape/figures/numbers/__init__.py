"""What items are made of: scores, intervals, results of a study measured once, what the papers print and claim."""
