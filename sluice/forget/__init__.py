"""Forgetting a subject: what is kept of one person's requests is found, taken out, looked for."""
