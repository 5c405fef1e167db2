"""The playground: what the demo and the tests run on, from Postgres to a Kubernetes node made of processes."""
