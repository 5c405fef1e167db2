"""AppendOnly: a current table, and a history of every version that an UPDATE or DELETE closed."""
