"""A graph's dashboard: one page, and the same numbers as JSON. Nothing here is imported until
somebody asks for it; docs/dashboard.md.

    paths       how the HTTP surface comes to it, without importing it
    dashboard   answers: the page or the JSON of what is asked for
    look        what is asked for: a version, a segment, a moment
    document    the numbers; traffic, features, performance, around: their parts
    page        the numbers as HTML; html, figures, forms, charts, tables: what it is written with
    aside       asks for it beside replies; process, maker: the process that makes it
    server      the page alone, without the graph
"""
