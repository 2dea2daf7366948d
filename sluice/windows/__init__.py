"""Windows: what monitoring events and labels add up to, by time, version and segment.

docs/monitor.md tells what is counted; `sluice monitor` and functions/monitor count, and whoever
reads does so with `sluice.windows.windows.Windows`.
"""
