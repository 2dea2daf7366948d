"""The redaction that a graph declares."""

from __future__ import annotations

from sluice.errors import DeclarationError
from sluice.monitoring.redaction import Redaction
from sluice.parameters import Parameters
from sluice.project import Project


def open_redaction(project: Project, parameters: Parameters) -> Redaction:
    """The redaction of a graph, with the salt of the settings. Raises DeclarationError."""
    try:
        return Redaction(parameters.redact, project.settings.salt.encode())
    except ValueError as error:
        where, hint = "spec.parameters.sluice.redact", "the salt is the setting SLUICE_SALT"
        file = project.graph_file(parameters.graph)
        raise DeclarationError(file, where, str(error), hint) from None
