"""The audit trail: who or what trained, promoted, rolled back, deployed or deleted, and why."""
