"""Tuning: what each setting of the rules costs in relevance and brings in the rest."""
