"""Off-policy evaluation: what another policy would have earned, by the log of the one that ran."""
