"""Typed conditions on what is known of a row: its fields, the request's headers and time.

A condition is data in a declaration, never code:

    {field: carrier, op: in, value: [AA, UA]}      a record's field, or a feature under `fetch`
    {header: x-tenant, op: ==, value: acme}        text; names without regard to case
    {time: hour, op: between, value: [6, 9], zone: America/New_York}
    {all: […]}, {any: […]}, {not: …}

Operators: ==, !=, <, <=, >, >=, in, not in, between (both ends belong to it), prefix, missing.
A value that is not there fulfils `missing` and nothing else; where a default stands in for one,
`missing` holds and the others compare the default, which is what the model sees. Times are
minute_of_day, hour, day_of_week (Monday is 0), day and month of the request's time, in UTC unless
`zone` says otherwise, and `moment`, the time itself.

Everything is checked against the declared types when a graph is loaded; what does not fit raises
ValueError naming the place.
"""

from sluice.conditions.condition import Condition, Explained, Situation, Situations
from sluice.conditions.read import read_condition

__all__ = ["Condition", "Explained", "Situation", "Situations", "read_condition"]
