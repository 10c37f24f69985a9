"""A sweep: the same recipe trained and scored over lambdas, controls and seeds, and one report of all of it."""
