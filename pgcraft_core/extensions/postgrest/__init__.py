"""PostgREST: API views, the past beside them, their grants, and the roles that requests run as."""

from __future__ import annotations

from pgcraft_core.extensions.postgrest.api_view import ApiViewPlugin
from pgcraft_core.extensions.postgrest.past import ApiPastPlugin
from pgcraft_core.extensions.postgrest.roles import compile_postgrest
from pgcraft_core.extensions.protocol import Extension
from pgcraft_core.plugins.vocabulary import CompileContext
from pgcraft_core.schema.unit import Unit
from pgcraft_core.spec.base import Resource
from pgcraft_core.spec.postgrest import PostgREST


class PostgRESTExtension(Extension):
    """Gives every dimension with `spec.api` its view, its past where asked, and compiles PostgREST resources."""

    name = "postgrest"
    always = (ApiViewPlugin, ApiPastPlugin)

    def compile_resource(self, resource: Resource, context: CompileContext) -> Unit | None:
        """Return the roles and schema grants of a PostgREST resource."""
        return compile_postgrest(resource, context) if isinstance(resource, PostgREST) else None


__all__ = ["PostgRESTExtension"]
