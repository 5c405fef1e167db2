"""SQL text: identifiers, type names, expressions and literals, all of them pure."""
