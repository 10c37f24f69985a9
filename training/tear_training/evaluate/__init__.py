"""Does it see? Scores made of likelihoods and interventions, which talk cannot raise (docs/evaluation.md)."""
