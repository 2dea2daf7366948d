"""What MLRun's specification allows and ours refuses, each with what to use instead.

One table, so that the reader, docs/graph.md and the conformance test say the same.
"""

from __future__ import annotations

STEP_KINDS = {
    "choice": "choose inside a step, and write the choice into the body",
    "flow": "write the nested flow's steps into the graph itself",
    "hub_task": "install the package and name its class by its dotted path",
    "model_runner": "use a task step that runs the model: the model step",
    "monitoring_application": "monitoring reads the event stream: deploy it apart from the graph",
    "queue": "deploy a stream function in front of the graph: functions/stream",
    "router": "use two task steps, one that chooses the model and one that runs it: "
    "the router and model steps",
}

# A class_name that is, or starts with, one of these is not a class.
CLASS_NAMES = {
    "$remote": "call the endpoint from a task step of your own",
    "$queue": STEP_KINDS["queue"],
    ">>": STEP_KINDS["queue"],
    "*": STEP_KINDS["router"],
    "hub://": STEP_KINDS["hub_task"],
}

STEP_FIELDS = {
    "cycle_from": "loop inside a step",
    "function": "which steps run as functions of their own is a matter of the deployment, "
    "not of the graph: leave it out",
    "hub_step_class_name": STEP_KINDS["hub_task"],
    "max_iterations": "loop inside a step",
    "routes": STEP_KINDS["router"],
    "skip_context": "a class that does not name context does not get it",
}

GRAPH_FIELDS = {
    "allow_cyclic": "loop inside a step",
    "final_step": "the last step answers",
    "max_iterations": "loop inside a step",
    "pool_factor": STEP_KINDS["model_runner"],
    "routes": STEP_KINDS["router"],
    "shared_max_processes": STEP_KINDS["model_runner"],
    "shared_max_threads": STEP_KINDS["model_runner"],
    "shared_models": STEP_KINDS["model_runner"],
    "shared_models_mechanism": STEP_KINDS["model_runner"],
    "track_models": "every request is monitored as it is: leave it out",
}

FUNCTION_FIELDS = {
    "api_handler_config": "read paths, queries and bodies in the first step",
    "default_class": "name the class of each step",
    "function_refs": STEP_FIELDS["function"],
    "models": STEP_KINDS["router"],
    "streaming": "answer each request in one piece",
    "track_models": GRAPH_FIELDS["track_models"],
}

SECRET_KINDS = {
    "azure_vault": "let the platform put the secret into the environment, and use kind env",
    "vault": "let the platform put the secret into the environment, and use kind env",
}

EXPRESSION = "an expression is never evaluated: name a function by its dotted path"
SELECT_OUTLETS = "a linear graph has one outlet: write the choice into the body"
ASYNC = "the engine runs each step to its end: write a plain def"
GENERATOR = "streaming is not done: return the whole answer"

# What context has under MLRun and not here.
CONTEXT = {
    "get_remote_endpoint": "pass the address as a class_arg",
    "get_store_resource": "read models from the model store, features from the feature store",
    "get_table": "read features from the feature store",
    "project_obj": "there is no API server: pass what is needed as a class_arg",
    "root": "a step sees its own event only",
    "server": "use get_param and get_secret",
    "stream": "monitoring events are emitted for the whole request",
}
