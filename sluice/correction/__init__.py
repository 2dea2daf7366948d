"""The online correction: a small layer after the model that follows labels as they come.

    plan      what a graph declares of it
    sums      what a label adds to the ledger (sluice/routing/ledger.py)
    snapshot  what is known at a moment, made of the sums: how far answers are moved
    shelf     the snapshots, numbered, in the ledger; and what people said of them
    copies    the shelf as a serving process has read it
    asked     what the monitoring events say of answers
    learner   joins labels with answers, counts them, and puts up snapshots
    open      the correction of a project's graph
    status    what it knows, and whether it is worth it

The rule that moves answers is sluice/rules/correction.py. docs/correction.md says how to use it.
"""
