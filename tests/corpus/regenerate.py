"""Write the corpus's SQL anew: `python -m tests.corpus.regenerate`."""

from tests.corpus.corpus import FILES, expected_of, write_sql

if __name__ == "__main__":
    for file in FILES:
        expected_of(file).write_text(write_sql(file))
