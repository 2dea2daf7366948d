"""OpenTelemetry: spans of requests, and the metrics, sent by OTLP. Nothing of it is imported unless
the setting `otlp` names a collector."""
