"""Alerts: what may be said of a graph's windows, and to whom (docs/alerts.md).

declared    spec.parameters.sluice.alerts: conditions, and where notices go
kinds       what a condition looks at: one file each
view        the windows, days and references that they look at
incident    when a condition opens an incident, and when that is over
state       tracks, incidents and notices that wait, in one file
watch       looks at each window that is over, in the order of events' time
send        notices on their way, with tries and pauses
"""
