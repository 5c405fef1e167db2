"""The operator as its own process, under the permissions it ships with, against a real API server and real Postgres."""

from dataclasses import replace
from pathlib import Path

import yaml

from playground.cluster import Cluster
from playground.ports import free_port
from playground.postgres import PostgresServer
from tests.cluster.operator_world import Operator, World, locked


def test_a_dimension_becomes_a_table_and_says_so(world: World) -> None:
    world.apply(
        world.dimension(
            "airports",
            {"name": "icao", "type": "varchar(4)", "nullable": False, "unique": True},
            {"name": "elevation", "type": "numeric", "check": "elevation > -1500"},
        )
    )
    world.wait_ready("airports")

    assert world.columns("geo.airports") == ["id", "icao", "elevation"]
    status = world.get("dimension", "airports")["status"]
    assert status["observedGeneration"] == 1
    assert status["relations"] == ["table geo.airports"]
    assert status["effective"]["table"] == {"schema": "geo", "name": "airports"}
    assert status["effective"]["primaryKey"] == {"strategy": "Identity", "columns": ["id"], "type": "bigint"}
    assert {entry["type"]: (entry["status"], entry["observedGeneration"]) for entry in status["conditions"]} == {
        "Ready": ("True", 1),
        "Reconciling": ("False", 1),
        "Stalled": ("False", 1),
        "Drifted": ("False", 1),
    }

    (migration,) = world.migrations()
    assert migration["status"]["phase"] == "Applied"
    assert migration["status"]["revision"] == status["revision"]
    assert "create table" in migration["spec"]["sql"].lower()
    assert {"kind": "Dimension", "namespace": world.namespace, "name": "airports"} in migration["spec"]["subjects"]

    database = world.get("database", "warehouse")["status"]
    assert database["version"].startswith("18.")
    assert database["revision"] == status["revision"]
    assert database["ownerId"] == f"{world.namespace}-warehouse"
    world.wait("jsonpath={.status.dimensions.ready}=1", "database/warehouse")

    events = world.cluster.get_all("events.events.k8s.io", world.namespace)
    assert "Applied" in {event["reason"] for event in events if event["regarding"]["name"] == "airports"}


def test_applying_the_same_again_changes_nothing(world: World) -> None:
    manifests = [world.dimension("airports"), world.dimension("countries")]
    world.apply(*manifests)
    world.wait_ready("airports", "countries")
    world.wait("jsonpath={.status.dimensions.ready}=2", "database/warehouse")
    before = {kind: world.cluster.get_all(kind, world.namespace) for kind in ("dimensions", "databases", "migrations")}
    revisions = world.query("SELECT count(*) FROM pgcraft.revisions")

    world.apply(*manifests, world.warehouse())
    # Whatever there was to do is done when something applied later is ready: a run looks at everything.
    world.apply(world.dimension("more"))
    world.wait_ready("more")

    after = {item["metadata"]["name"]: item for item in world.cluster.get_all("dimensions", world.namespace)}
    for item in before["dimensions"]:
        assert after[item["metadata"]["name"]]["metadata"]["resourceVersion"] == item["metadata"]["resourceVersion"]
    names = {item["metadata"]["name"] for item in before["migrations"]}
    (fresh,) = [item for item in world.migrations() if item["metadata"]["name"] not in names]
    assert [subject["name"] for subject in fresh["spec"]["subjects"]] == ["more"]
    assert world.query("SELECT count(*) FROM pgcraft.revisions")[0][0] == revisions[0][0] + 1


def test_a_new_column_is_one_migration_of_one_table(world: World) -> None:
    world.apply(world.dimension("airports"), world.dimension("countries"))
    world.wait_ready("airports", "countries")
    before = {item["metadata"]["name"] for item in world.migrations()}

    world.apply(
        world.dimension("airports", {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"})
    )
    world.wait("jsonpath={.status.observedGeneration}=2", "dimension/airports")
    world.wait_ready("airports")

    (migration,) = [item for item in world.migrations() if item["metadata"]["name"] not in before]
    assert {operation["target"] for operation in migration["spec"]["operations"]} == {"table geo.airports"}
    assert world.columns("geo.airports") == ["id", "code", "tz"]


def test_a_bad_expression_says_where_and_leaves_its_neighbours_alone(world: World) -> None:
    bad = world.dimension("bad", checks=[{"name": "sane", "expression": "char_length(code = 4"}])
    denied = world.dimension("denied", {"name": "file", "type": "text", "default": "pg_read_file('/etc/passwd')"})
    world.apply(bad, denied, world.dimension("good"))
    world.wait_ready("good")
    for name, path in (("bad", "spec.checks[sane].expression"), ("denied", "spec.columns[file].default")):
        world.wait("condition=Stalled", f"dimension/{name}")
        ready = world.condition("dimension", name, "Ready")
        assert (ready["status"], path in ready["message"]) == ("False", True), ready
    assert world.condition("dimension", "bad", "Stalled")["reason"] == "InvalidSpec"
    assert not world.exists("geo.bad")

    world.apply(world.dimension("bad", checks=[{"name": "sane", "expression": "char_length(code) = 4"}]))
    world.wait_ready("bad")


def test_a_deleted_dimension_keeps_its_table_and_loses_its_view(world: World) -> None:
    world.apply(world.dimension("airports", api={"schema": "api"}))
    world.wait_ready("airports")
    assert world.exists("api.airports")
    world.execute("INSERT INTO geo.airports (code) VALUES ('EDDF')")

    world.cluster.kubectl("delete", "dimension", "airports", "--namespace", world.namespace)
    world.wait("jsonpath={.status.dimensions.total}=0", "database/warehouse")
    assert not world.exists("api.airports")
    assert world.query("SELECT code FROM geo.airports") == [("EDDF",)]

    world.apply(world.dimension("airports", api={"schema": "api"}))
    world.wait_ready("airports")
    assert world.query("SELECT code FROM api.airports") == [("EDDF",)]


def test_removing_a_column_waits_for_approval_and_shows_the_plan(world: World) -> None:
    code, name = {"name": "code", "type": "text", "nullable": False}, {"name": "name", "type": "text"}
    world.apply(world.dimension("airports", code, name), world.dimension("countries"))
    world.wait_ready("airports", "countries")
    world.execute("INSERT INTO geo.airports (code, name) VALUES ('EDDF', 'Frankfurt')")

    world.apply(world.dimension("airports", code))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=ApprovalPending', "dimension/airports")
    (migration,) = world.migrations("ApprovalPending")
    name_of_it = migration["metadata"]["name"]
    status = world.get("dimension", "airports")["status"]
    assert status["migration"] == name_of_it
    assert world.condition("dimension", "airports", "Ready")["message"] == (
        f"Migration {world.namespace}/{name_of_it} waits for approval: drop column name of geo.airports: 1 value would "
        "be lost. Meanwhile the column keeps its data; declare it again to take it back."
    )
    assert world.condition("dimension", "airports", "Reconciling")["status"] == "True"
    assert [entry["hazard"]["class"] for entry in migration["spec"]["operations"]] == ["DataLoss"]
    assert "drop column" in migration["spec"]["sql"].lower()
    assert world.query("SELECT name FROM geo.airports") == [("Frankfurt",)]
    assert world.condition("dimension", "countries", "Ready")["status"] == "True"
    world.wait("jsonpath={.status.pendingMigrations}=1", "database/warehouse")

    world.apply(world.dimension("airports", code, name))
    world.wait_ready("airports")
    world.wait("jsonpath={.status.phase}=Superseded", f"migration/{name_of_it}")


def test_a_refused_migration_fails_alone_and_is_tried_again(world: World) -> None:
    world.apply(world.dimension("airports"), world.dimension("countries"))
    world.wait_ready("airports", "countries")
    world.execute("INSERT INTO geo.airports (code) VALUES ('short')")
    before = {item["metadata"]["name"] for item in world.migrations()}

    code = {"name": "code", "type": "text", "nullable": False}
    checked = world.dimension("airports", code, checks=[{"name": "icao", "expression": "char_length(code) = 4"}])
    world.apply(checked, world.dimension("countries", code, {"name": "tz", "type": "text"}))
    world.wait("condition=Stalled", "dimension/airports")
    world.wait("jsonpath={.status.observedGeneration}=2", "dimension/countries")
    world.wait_ready("countries")
    stalled = world.condition("dimension", "airports", "Stalled")
    assert stalled["reason"] == "MigrationFailed"
    assert "airports_icao" in stalled["message"]
    fresh = [item for item in world.migrations() if item["metadata"]["name"] not in before]
    # Two in one batch were refused, and then applied one by one.
    assert sorted(item["status"]["phase"] for item in fresh) in (
        ["Applied", "Failed", "Superseded"],
        ["Applied", "Failed"],  # where the two were seen one after the other
    )

    # What failed is tried again by itself: a further change of others is one migration, and its failure no news.
    (failed,) = world.migrations("Failed")
    known = {item["metadata"]["name"] for item in world.migrations()}
    world.apply(world.dimension("countries", code), world.dimension("cities"))
    world.wait("jsonpath={.status.observedGeneration}=3", "dimension/countries")
    world.wait_ready("cities")
    world.apply(world.dimension("barrier"))
    world.wait_ready("barrier")
    assert {item["status"]["phase"] for item in world.migrations() if item["metadata"]["name"] not in known} <= {
        "Applied",
        "ApprovalPending",  # of the column that is gone
    }
    assert world.get("migration", failed["metadata"]["name"]) == failed

    world.execute("UPDATE geo.airports SET code = 'EDDF'")
    world.reconcile("dimension", "airports", "now")
    world.wait_ready("airports")
    assert world.get("migration", failed["metadata"]["name"])["status"]["phase"] == "Applied"


def test_a_change_made_undone_and_made_again_leaves_both_records(world: World) -> None:
    plain = world.dimension("airports")
    checked = world.dimension("airports", checks=[{"name": "icao", "expression": "char_length(code) = 4"}])
    world.apply(plain)
    world.wait_ready("airports")
    for generation, manifest in enumerate((checked, plain, checked), start=2):
        world.apply(manifest)
        world.wait(f"jsonpath={{.status.observedGeneration}}={generation}", "dimension/airports")
        world.wait_ready("airports")
    migrations = world.migrations("Applied")
    again = [item for item in migrations if item["metadata"]["name"].endswith("-2")]
    assert len(migrations) == 4
    assert len(again) == 1
    first = world.get("migration", again[0]["metadata"]["name"].removesuffix("-2"))
    assert first["spec"] == again[0]["spec"]
    assert first["status"]["revision"] != again[0]["status"]["revision"]


def test_a_missing_secret_heals_when_it_comes(empty_world: World) -> None:
    world = empty_world
    world.apply(world.warehouse(), world.dimension("airports"))
    reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DatabaseUnavailable'
    world.wait(reason, "database/warehouse")
    world.wait(reason, "dimension/airports")
    assert "warehouse-app" in world.condition("dimension", "airports", "Ready")["message"]
    shown = world.cluster.kubectl("get", "dimensions", "--no-headers", "--namespace", world.namespace)
    assert shown.split()[:4] == ["airports", "geo", "airports", "Simple"], "what is declared is shown before it is made"

    world.apply(world.secret())
    world.wait_ready("airports")
    world.wait("condition=Ready", "database/warehouse")


def test_a_rotated_password_needs_no_restart(world: World) -> None:
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    world.execute(f"ALTER ROLE \"{world.database.owner}\" PASSWORD 'another'")
    world.apply(world.dimension("countries"))
    reason = 'jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DatabaseUnavailable'
    world.wait(reason, "dimension/countries")
    user, rest = world.database.owner_url.removeprefix("postgresql://").split(":", 1)
    world.apply(world.secret(url=f"postgresql://{user}:another@{rest.split('@', 1)[1]}"))
    world.wait_ready("countries", "airports")


def test_a_dimension_that_comes_before_its_database_names_it(empty_world: World) -> None:
    world = empty_world
    world.apply(world.dimension("airports"))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "dimension/airports")
    assert f"Database {world.namespace}/warehouse" in world.condition("dimension", "airports", "Ready")["message"]
    world.apply(world.secret(), world.warehouse())
    world.wait_ready("airports")


def test_a_foreign_key_waits_for_the_dimension_it_needs(world: World) -> None:
    country = {"name": "country", "type": "bigint", "references": {"dimension": "countries"}}
    world.apply(world.dimension("airports", country))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=DependencyNotReady', "dimension/airports")
    world.apply(world.dimension("countries"))
    world.wait_ready("airports", "countries")


def test_a_namespace_that_was_given_nothing_is_refused(world: World, cluster: Cluster) -> None:
    with cluster.scratch_namespace(f"{world.namespace}-x") as stranger:
        manifest = world.dimension("airports")
        manifest["metadata"]["namespace"] = stranger
        manifest["spec"]["databaseRef"]["namespace"] = world.namespace
        cluster.apply(manifest)
        cluster.wait("condition=Stalled", "dimension/airports", stranger)
        conditions = cluster.get("dimension", "airports", stranger)["status"]["conditions"]
        assert {entry["reason"] for entry in conditions} == {"PolicyDenied"}
        cluster.apply(world.warehouse(allowedNamespaces=[{"namespace": stranger, "schemas": ["geo"]}]))
        cluster.wait("condition=Ready", "dimension/airports", stranger)
        cluster.kubectl("delete", "dimension", "airports", "--namespace", stranger)


def test_one_database_does_not_wait_for_another(world: World, postgres: PostgresServer) -> None:
    with postgres.scratch_database() as second:
        world.apply(world.secret("shop-app", second.owner_url), world.warehouse("shop", "shop-app"))
        world.apply(world.dimension("airports"), world.dimension("orders", database="shop"))
        world.wait_ready("airports", "orders")
        columns = {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"}
        with locked(world.database.url, "geo.airports"):
            world.apply(world.dimension("airports", *columns))
            # A run that takes longer than a second says what it is doing.
            world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Applying', "dimension/airports")
            world.apply(world.dimension("orders", *columns, database="shop"))
            world.wait("jsonpath={.status.observedGeneration}=2", "dimension/orders")
            world.wait_ready("orders")
            assert world.condition("dimension", "airports", "Ready")["status"] == "False"
        world.wait_ready("airports")
        world.cluster.kubectl("delete", "database", "shop", "--namespace", world.namespace)


def test_observing_plans_and_writes_nothing(empty_world: World) -> None:
    world = empty_world
    world.apply(world.secret(), world.warehouse(migrations={"mode": "Observe"}), world.dimension("airports"))
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Observing', "dimension/airports")
    assert [migration["status"]["phase"] for migration in world.migrations()] == ["Pending"]
    assert world.query("SELECT nspname FROM pg_namespace WHERE nspname IN ('geo', 'pgcraft')") == []
    world.apply(world.warehouse(migrations={"mode": "Apply"}))
    world.wait_ready("airports")


def test_drift_is_reported_and_not_repaired(world: World) -> None:
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    world.execute("ALTER TABLE geo.airports ALTER COLUMN code DROP NOT NULL")
    world.reconcile("database", "warehouse", "1")
    world.wait("condition=Drifted", "dimension/airports")
    assert world.condition("dimension", "airports", "Ready")["status"] == "True"
    report = world.get("dimension", "airports")["status"]["drift"]
    assert report["count"] >= 1
    assert "code" in " ".join(report["messages"])


def test_many_that_vanish_at_once_keep_their_views_until_somebody_confirms(world: World) -> None:
    names = [f"d{number}" for number in range(5)]
    world.apply(*(world.dimension(name, api={"schema": "api"}) for name in names))
    world.wait_ready(*names)
    # As one request, so that the operator does not see them go one by one.
    collection = f"/apis/pgcraft.io/v1alpha1/namespaces/{world.namespace}/dimensions"
    world.cluster.kubectl("delete", "--raw", collection)
    world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=ApprovalPending', "database/warehouse")
    assert all(world.exists(f"api.{name}") for name in names)
    (migration,) = world.migrations("ApprovalPending")
    world.cluster.kubectl(
        *("annotate", "database", "warehouse", "--namespace", world.namespace),
        f"pgcraft.io/confirm={migration['metadata']['name']}",
    )
    world.wait("condition=Ready", "database/warehouse")
    assert not any(world.exists(f"api.{name}") for name in names)
    assert all(world.exists(f"geo.{name}") for name in names)


def test_the_probes_answer(world: World) -> None:
    world.wait("condition=Ready", "database/warehouse")
    assert (world.operator.probe("/healthz"), world.operator.probe("/readyz")) == (200, 200)


def test_a_told_operator_stops_in_order_and_goes_on_when_started_again(world: World) -> None:
    columns = {"name": "code", "type": "text", "nullable": False}, {"name": "tz", "type": "text"}
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    with locked(world.database.url, "geo.airports"):
        world.apply(world.dimension("airports", *columns))
        world.wait('jsonpath={.status.conditions[?(@.type=="Ready")].reason}=Applying', "dimension/airports")
        assert world.operator.stop() == 0, world.operator.log.read_text()
    assert "Traceback" not in world.operator.log.read_text().rpartition("stopping")[2]
    world.operator.start()
    world.wait_ready("airports")
    assert "tz" in world.columns("geo.airports")
    assert [migration["status"]["phase"] for migration in world.migrations()] == ["Applied", "Applied"]


def test_a_killed_operator_goes_on_when_started_again(world: World) -> None:
    world.apply(world.dimension("airports"))
    world.wait_ready("airports")
    world.operator.kill()
    world.apply(world.dimension("countries"))
    world.cluster.kubectl("delete", "dimension", "airports", "--namespace", world.namespace)
    world.operator.start()
    world.wait_ready("countries")
    world.wait("jsonpath={.status.dimensions.total}=1", "database/warehouse")


def test_an_operator_of_one_namespace_needs_a_role_there_and_no_more(
    empty_world: World, cluster: Cluster, tmp_path: Path
) -> None:
    namespace = empty_world.namespace
    subject = {"kind": "ServiceAccount", "name": "default", "namespace": namespace}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "pgcraft-operator"}
    metadata = {"name": "pgcraft-operator", "namespace": namespace}
    binding = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata}
    cluster.apply({**binding, "roleRef": role, "subjects": [subject]})
    kubeconfig = cluster.kubeconfig_for_service_account(namespace, "default")
    empty_world.operator.stop()
    alone = Operator(kubeconfig, tmp_path / "log", "--namespace", namespace).start()
    try:
        world = replace(empty_world, operator=alone)
        world.apply(world.secret(), world.warehouse(), world.dimension("airports"))
        world.wait_ready("airports")
        assert alone.stop() == 0
    finally:
        alone.kill()
        empty_world.operator.start()
    assert "WARNING" not in alone.log.read_text()


def test_missing_permissions_are_told_with_the_command_that_gives_them(
    cluster: Cluster, permissions: Path, namespace: str, tmp_path: Path
) -> None:
    del permissions  # the CRDs are there
    operator = Operator(cluster.kubeconfig_for_service_account(namespace, "default"), tmp_path / "log").start()
    assert operator.wait() == 1
    assert "kubectl apply" in operator.log.read_text()
    assert "Traceback" not in operator.log.read_text()


def test_a_cluster_that_cannot_be_reached_is_said_so(tmp_path: Path) -> None:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "x", "cluster": {"server": f"https://127.0.0.1:{free_port()}"}}],
        "users": [{"name": "x", "user": {"token": "x"}}],
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
    }
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(config))
    operator = Operator(tmp_path / "kubeconfig", tmp_path / "log").start()
    assert operator.wait() == 1
    assert "does not answer" in operator.log.read_text()
    assert "Traceback" not in operator.log.read_text()
