"""Views, which are derived state: made, replaced and dropped whole, never losing what hangs on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pgcraft_core.plan import ddl
from pgcraft_core.plan.operations.base import Lock, Operation, Phase
from pgcraft_core.schema.base import QualifiedName
from pgcraft_core.schema.view import RoleGrant, View, ViewColumn
from pgcraft_core.sql.identifiers import quote_identifier


def view_statements(view: View, *, replace: bool) -> list[str]:
    """Return everything that makes a view what it is: query, options, defaults, comments and grants."""
    name = ddl.qualified(view.qualified_name)
    statements = [ddl.create_view(view, replace=replace)]
    statements += [_default(view.qualified_name, column) for column in view.columns if column.default is not None]
    if view.comment is not None:
        statements.append(ddl.comment_on(f"VIEW {name}", view.comment))
    statements += [
        ddl.comment_on(f"COLUMN {name}.{quote_identifier(column.name)}", column.comment)
        for column in view.columns
        if column.comment is not None
    ]
    statements += [_grant(view.qualified_name, grant) for grant in view.grants]
    return statements


def _default(view: QualifiedName, column: ViewColumn) -> str:
    change = "DROP DEFAULT" if column.default is None else f"SET DEFAULT {ddl.default_clause(column.default)}"
    return f"ALTER VIEW {ddl.qualified(view)} ALTER COLUMN {quote_identifier(column.name)} {change}"


def _grant(view: QualifiedName, grant: RoleGrant) -> str:
    privileges = ", ".join(grant.privileges)
    return f"GRANT {privileges} ON {ddl.qualified(view)} TO {quote_identifier(grant.role)}"


def _revoke(view: QualifiedName, grant: RoleGrant) -> str:
    privileges = ", ".join(grant.privileges)
    return f"REVOKE {privileges} ON {ddl.qualified(view)} FROM {quote_identifier(grant.role)}"


@dataclass(frozen=True)
class ViewOperation(Operation):
    """Base of what concerns one view."""

    view: View

    @property
    def name_in_sql(self) -> str:
        """The view's name as SQL."""
        return ddl.qualified(self.view.qualified_name)


@dataclass(frozen=True)
class CreateView(ViewOperation):
    """Make a view, with defaults, comments and grants."""

    phase: ClassVar[Phase] = Phase.CREATE_VIEWS

    def upgrade(self) -> list[str]:
        """CREATE VIEW and what hangs on it."""
        return view_statements(self.view, replace=False)

    def downgrade(self) -> list[str]:
        """DROP VIEW."""
        return [f"DROP VIEW {self.name_in_sql}"]

    def describe(self) -> str:
        """Sentence for people."""
        return f"create view {self.view.qualified_name} over {self.view.base}"


@dataclass(frozen=True)
class ReplaceView(ViewOperation):
    """Append columns to a view, or ask otherwise, in place; grants, defaults and comments that were there stay."""

    before: View

    phase: ClassVar[Phase] = Phase.CREATE_VIEWS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """CREATE OR REPLACE VIEW."""
        return [ddl.create_view(self.view, replace=True)]

    def downgrade(self) -> list[str]:
        """CREATE OR REPLACE VIEW, or where it was widened DROP VIEW: it is made again as it was afterwards."""
        if len(self.before.columns) < len(self.view.columns):
            return [f"DROP VIEW {self.name_in_sql}"]
        return [ddl.create_view(self.before, replace=True)]

    def describe(self) -> str:
        """Sentence for people."""
        name = self.view.qualified_name
        added = [column.name for column in self.view.columns[len(self.before.columns) :]]
        return f"add {', '.join(added)} to view {name}" if added else f"replace the query of view {name}"


@dataclass(frozen=True)
class DropView(ViewOperation):
    """Withdraw a view, or take it out of the way of a change to what it selects; never with CASCADE."""

    phase: ClassVar[Phase] = Phase.DROP_VIEWS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """DROP VIEW."""
        return [f"DROP VIEW {self.name_in_sql}"]

    def downgrade(self) -> list[str]:
        """CREATE VIEW and what hangs on it."""
        return view_statements(self.view, replace=False)

    def describe(self) -> str:
        """Sentence for people."""
        return f"drop view {self.view.qualified_name}"


@dataclass(frozen=True)
class SetViewColumnDefault(ViewOperation):
    """Restate a column's default on the view."""

    column: ViewColumn
    before: ViewColumn

    phase: ClassVar[Phase] = Phase.GRANTS
    lock: ClassVar[Lock] = "AccessExclusive"

    def upgrade(self) -> list[str]:
        """SET DEFAULT or DROP DEFAULT."""
        return [_default(self.view.qualified_name, self.column)]

    def downgrade(self) -> list[str]:
        """The default before."""
        return [_default(self.view.qualified_name, self.before)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"restate the default of {self.column.name} on view {self.view.qualified_name}"


@dataclass(frozen=True)
class CommentView(ViewOperation):
    """Change the comment on a view."""

    before: str | None

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """COMMENT ON VIEW."""
        return [ddl.comment_on(f"VIEW {self.name_in_sql}", self.view.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON VIEW with the comment before."""
        return [ddl.comment_on(f"VIEW {self.name_in_sql}", self.before)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on view {self.view.qualified_name}"


@dataclass(frozen=True)
class CommentViewColumn(ViewOperation):
    """Change the comment on a column of a view."""

    column: ViewColumn
    before: str | None

    phase: ClassVar[Phase] = Phase.COMMENTS

    def upgrade(self) -> list[str]:
        """COMMENT ON COLUMN."""
        return [ddl.comment_on(f"COLUMN {self.name_in_sql}.{quote_identifier(self.column.name)}", self.column.comment)]

    def downgrade(self) -> list[str]:
        """COMMENT ON COLUMN with the comment before."""
        return [ddl.comment_on(f"COLUMN {self.name_in_sql}.{quote_identifier(self.column.name)}", self.before)]

    def describe(self) -> str:
        """Sentence for people."""
        return f"comment on column {self.column.name} of view {self.view.qualified_name}"


@dataclass(frozen=True)
class GrantOnView(ViewOperation):
    """Give a role privileges on a view."""

    grant: RoleGrant

    phase: ClassVar[Phase] = Phase.GRANTS

    def upgrade(self) -> list[str]:
        """GRANT."""
        return [_grant(self.view.qualified_name, self.grant)]

    def downgrade(self) -> list[str]:
        """REVOKE."""
        return [_revoke(self.view.qualified_name, self.grant)]

    def describe(self) -> str:
        """Sentence for people."""
        privileges = ", ".join(self.grant.privileges)
        return f"grant {privileges} on view {self.view.qualified_name} to {self.grant.role}"


@dataclass(frozen=True)
class RevokeOnView(ViewOperation):
    """Take privileges on a view from a role."""

    grant: RoleGrant

    phase: ClassVar[Phase] = Phase.GRANTS

    def upgrade(self) -> list[str]:
        """REVOKE."""
        return [_revoke(self.view.qualified_name, self.grant)]

    def downgrade(self) -> list[str]:
        """GRANT."""
        return [_grant(self.view.qualified_name, self.grant)]

    def describe(self) -> str:
        """Sentence for people."""
        privileges = ", ".join(self.grant.privileges)
        return f"revoke {privileges} on view {self.view.qualified_name} from {self.grant.role}"
