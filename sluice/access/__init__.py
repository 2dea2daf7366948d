"""Who may ask a function: API keys and tokens, checked in the handler. docs/security.md."""
