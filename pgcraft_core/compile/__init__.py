"""Compile resources into what they contribute to a database: pure, total, all diagnostics at once."""

from pgcraft_core.compile.compiler import CompileInput, Compiler, compile_resources

__all__ = ["CompileInput", "Compiler", "compile_resources"]
