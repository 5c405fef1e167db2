"""The Deployment and the Service as they are applied, and the Secret they read."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml

from pgcraft_core.spec.postgrest import PostgREST
from pgcraft_operator.connection import ConnectionParameters
from pgcraft_operator.postgrest.errors import ForeignObjectError, PredecessorRemainsError, UnservableSpecError
from pgcraft_operator.postgrest.ownership import require_ownership
from pgcraft_operator.postgrest.scram import make_verifier, verifies
from pgcraft_operator.postgrest.workload import RESTARTED_FOR, deployment, require_servable, service, service_url
from pgcraft_operator.postgrest.workload_secret import UnusableSecretError, WorkloadSecret, complete, secret_manifest

CONNECTION = ConnectionParameters("db.platform", 5432, "ware house", "pgcraft", "p", sslmode="disable")
SECRET = WorkloadSecret("api-postgrest", "login", "p", "v", "k" * 32, checksum="c0ffee", has_authorities=False)


def postgrest(name: str = "api", **spec: Any) -> PostgREST:
    return PostgREST.model_validate(
        {
            "apiVersion": "pgcraft.io/v1alpha1",
            "kind": "PostgREST",
            "metadata": {"name": name, "namespace": "platform", "uid": f"uid-of-{name}"},
            "spec": {"databaseRef": {"name": "warehouse"}, **spec},
        }
    )


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = manifest["spec"]["template"]["spec"]["containers"]
    return container


def variables(manifest: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in container(manifest)["env"] if "value" in entry}


def test_the_manifests_are_those_written_down() -> None:
    declared = postgrest(
        schemas=["api", "Other api"],
        anonymousRole={"name": "web_anon"},
        roles=[{"name": "editor"}],
        jwt={"audience": "pgcraft"},
        maxRows=1000,
        deployment={
            "image": "registry.example/postgrest:12",
            "replicas": 2,
            "resources": {"requests": {"cpu": "50m"}, "limits": {"memory": "256Mi"}},
        },
        service={"type": "NodePort", "port": 8080},
    )
    expected = yaml.safe_load_all(Path(__file__).with_name("postgrest_workload.yaml").read_text())
    assert [deployment(declared, SECRET), service(declared)] == list(expected)


def test_defaults_are_left_to_postgrest_where_nothing_is_declared() -> None:
    names = variables(deployment(postgrest(), SECRET))
    assert names["PGRST_DB_SCHEMAS"] == "api"
    assert names.keys().isdisjoint({"PGRST_DB_ANON_ROLE", "PGRST_DB_MAX_ROWS", "PGRST_JWT_AUD"})
    assert service_url(postgrest()) == "http://api.platform.svc:80"


def test_kubernetes_expands_nothing_in_a_name() -> None:
    names = variables(deployment(postgrest(anonymousRole={"name": "$(PGRST_DB_URI) $$"}), SECRET))
    assert names["PGRST_DB_ANON_ROLE"] == "$$(PGRST_DB_URI) $$$$"


def test_pods_roll_when_the_secret_changes_or_a_restart_is_due() -> None:
    def template(secret: WorkloadSecret, restarted_for: str | None = None) -> dict[str, Any]:
        return deployment(postgrest(), secret, restarted_for=restarted_for)["spec"]["template"]

    assert template(SECRET) == template(SECRET)
    other = WorkloadSecret("api-postgrest", "login", "p", "v", "k" * 32, checksum="decaf", has_authorities=False)
    assert template(SECRET) != template(other)
    assert template(SECRET, "shape")["metadata"]["annotations"][RESTARTED_FOR] == "shape"


def test_certificate_authorities_are_mounted_where_the_connection_says(tmp_path: Path) -> None:
    given = tmp_path / "given.pem"
    given.write_text("PEM")
    connection = ConnectionParameters("h", 1, "d", "u", "p", sslmode="verify-full", sslrootcert=given)
    values = complete({}, postgrest(), connection, None)
    assert values["ca.crt"] == "PEM"

    with_authorities = WorkloadSecret("s", "login", "p", "v", "k" * 32, checksum="c", has_authorities=True)
    manifest = deployment(postgrest(), with_authorities)
    (mount,) = container(manifest)["volumeMounts"]
    (volume,) = manifest["spec"]["template"]["spec"]["volumes"]
    assert volume["secret"] == {"secretName": "s", "items": [{"key": "ca.crt", "path": "ca.crt"}]}
    file = f"{mount['mountPath']}/ca.crt".replace("/", "%2F")
    assert values["db-uri"].endswith(f"@h:1/d?sslmode=verify-full&sslrootcert={file}")


def test_without_certificate_authorities_given_the_systems_are_passed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "system.pem").write_text("SYSTEM")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "system.pem"))
    verified, encrypted = (
        complete({}, postgrest(), ConnectionParameters("h", 1, "d", "u", "p", sslmode=mode), None)
        for mode in ("verify-full", "require")
    )
    assert verified["ca.crt"] == "SYSTEM"
    assert "ca.crt" not in encrypted
    assert encrypted["db-uri"].endswith("?sslmode=require")


@pytest.mark.parametrize(
    ("declared", "field"),
    [
        (postgrest(name="a.b"), "metadata.name"),
        (postgrest(name="1st"), "metadata.name"),
        (postgrest(name="a" * 64), "metadata.name"),
        (postgrest(schemas=["api", "a,b"]), "spec.schemas"),
        (postgrest(schemas=[" api"]), "spec.schemas"),
    ],
)
def test_names_that_cannot_be_expressed_are_refused(declared: PostgREST, field: str) -> None:
    with pytest.raises(UnservableSpecError, match=f"^{field}: "):
        require_servable(declared)


def test_only_objects_of_the_resource_itself_are_touched() -> None:
    mine = secret_manifest(postgrest(), {})
    require_ownership(mine, postgrest())
    successor = PostgREST.model_validate(
        {**postgrest().model_dump(by_alias=True), "metadata": {"name": "api", "namespace": "platform", "uid": "u-2"}}
    )
    with pytest.raises(PredecessorRemainsError):
        require_ownership(mine, successor)
    with pytest.raises(ForeignObjectError, match="Secret platform/api-postgrest exists"):
        require_ownership(mine, postgrest(name="another"))
    unowned = {**mine, "metadata": {**mine["metadata"], "ownerReferences": []}}
    with pytest.raises(ForeignObjectError):
        require_ownership(unowned, postgrest())


def test_a_new_secret_holds_all_that_postgrest_needs() -> None:
    values = complete({}, postgrest(), CONNECTION, None)
    assert values["username"] == "ware house_authenticator"
    assert len(values["password"]) == 43
    assert len(values["jwt-secret"]) == 43
    assert verifies(values["verifier"], values["password"])
    uri = urlsplit(values["db-uri"])
    assert (unquote(uri.username or ""), uri.password) == (values["username"], values["password"])
    assert (uri.hostname, uri.port, unquote(uri.path), uri.query) == (
        "db.platform",
        5432,
        "/ware house",
        "sslmode=disable",
    )
    assert complete({}, postgrest(), CONNECTION, None)["password"] != values["password"]


def test_what_is_secret_stays_and_what_is_derived_follows() -> None:
    values = complete({}, postgrest(), CONNECTION, None)
    assert complete(values, postgrest(), CONNECTION, None) == values

    moved = ConnectionParameters("other", 5433, "else", "pgcraft", "p", sslmode="require")
    after = complete(values, postgrest(authenticator={"name": "login"}), moved, None)
    assert {key for key in values if after[key] != values[key]} == {"username", "db-uri"}
    assert after["db-uri"] == f"postgresql://login:{values['password']}@other:5433/else?sslmode=require"


@pytest.mark.parametrize("lost", ["username", "password", "verifier", "db-uri", "jwt-secret"])
def test_a_lost_key_is_restored_and_fits_the_others(lost: str) -> None:
    values = complete({}, postgrest(), CONNECTION, None)
    after = complete({key: value for key, value in values.items() if key != lost}, postgrest(), CONNECTION, None)
    assert after.keys() == values.keys()
    assert verifies(after["verifier"], after["password"])
    assert f":{after['password']}@" in after["db-uri"]
    derived = {"password": {"password", "verifier", "db-uri"}, "verifier": {"verifier"}, "jwt-secret": {"jwt-secret"}}
    assert {key for key in values if after[key] != values[key]} == derived.get(lost, set())


def test_a_verifier_of_another_password_is_replaced() -> None:
    values = complete({}, postgrest(), CONNECTION, None)
    after = complete({**values, "verifier": make_verifier("another")}, postgrest(), CONNECTION, None)
    assert verifies(after["verifier"], values["password"])


def test_the_given_jwt_secret_wins_unless_it_is_too_short() -> None:
    values = complete({}, postgrest(), CONNECTION, None)
    assert complete(values, postgrest(), CONNECTION, "g" * 32)["jwt-secret"] == "g" * 32
    with pytest.raises(UnusableSecretError, match="at least 32 bytes"):
        complete(values, postgrest(), CONNECTION, "g" * 31)
    with pytest.raises(UnusableSecretError, match="ASCII"):
        complete({**values, "password": "pässword"}, postgrest(), CONNECTION, None)


def test_the_secret_is_written_as_kubernetes_encodes_it() -> None:
    manifest = secret_manifest(postgrest(), {"password": "ü"})
    assert manifest["data"] == {"password": base64.b64encode("ü".encode()).decode()}
    assert manifest["metadata"]["ownerReferences"][0]["uid"] == "uid-of-api"


def test_nothing_secret_shows_when_printed() -> None:
    secret = WorkloadSecret("name", "login", "geheim1", "geheim2", "geheim3", checksum="c", has_authorities=False)
    assert "geheim" not in repr(secret)
