"""The pgcraft operator: custom resources reconciled into Postgres."""
