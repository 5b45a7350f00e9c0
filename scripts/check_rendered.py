"""Holds a rendered chart against the Kubernetes schemas, and its settings against the program."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import kubernetes_validate
import yaml

# Kinds of the Prometheus operator: their schemas are not Kubernetes' own.
FOREIGN = {"ServiceMonitor": "endpoints", "PrometheusRule": "groups"}


def problems_of(document: dict) -> list[str]:
    """What is wrong with one object, by schema and by what every pod of ours must have."""
    kind = document["kind"]
    if kind in FOREIGN:
        return [] if document["spec"].get(FOREIGN[kind]) else [f"{kind} without {FOREIGN[kind]}"]
    found = []
    try:
        kubernetes_validate.validate(document, "1.37", strict=True)
    except kubernetes_validate.ValidationError as error:
        found.append(f"{kind}: {error.message}")
    template = document.get("spec", {}).get("template", {}).get("spec")
    pod = document["spec"] if kind == "Pod" else template
    if pod is not None:
        found.extend(pod_problems(kind, pod))
    return found


def pod_problems(kind: str, pod: dict) -> list[str]:
    found = []
    if not pod.get("securityContext", {}).get("runAsNonRoot"):
        found.append(f"{kind} may run as root")
    for container in pod["containers"]:
        security = container.get("securityContext", {})
        if not security.get("readOnlyRootFilesystem") or security.get("allowPrivilegeEscalation"):
            found.append(f"{kind}: {container['name']} may write or gain rights")
        secrets = [it["name"] for it in container.get("env", []) if "KEY" in it["name"] and not it["name"].endswith("_FILE")]
        found.extend(f"{kind}: {name} in the environment" for name in secrets)
    return found


def settings_problems(switchboard: str, document: dict) -> list[str]:
    """The settings that the chart writes, read by the program that they are for."""
    settings = document.get("data", {}).get("switchboard.toml")
    if document["kind"] != "ConfigMap" or settings is None:
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
        file.write(settings)
        file.flush()
        check = [switchboard, "config", "check", "--config", file.name]
        # Only the settings of the chart count.
        rest = {key: value for key, value in os.environ.items() if "SWITCHBOARD" not in key}
        said = subprocess.run(check, capture_output=True, text=True, timeout=60, check=False, env=rest)
    return [] if said.returncode == 0 else [f"settings: {said.stdout}{said.stderr}"]


def main() -> int:
    switchboard, *files = sys.argv[1:]
    failed = False
    for file in files:
        documents = [it for it in yaml.safe_load_all(Path(file).read_text()) if it]
        found = [problem for it in documents for problem in problems_of(it)]
        found += [problem for it in documents for problem in settings_problems(switchboard, it)]
        kinds = [it["kind"] for it in documents]
        if "StatefulSet" not in kinds or "ConfigMap" not in kinds:
            found.append(f"only {kinds}")
        failed |= bool(found)
        print(f"{Path(file).stem}: {len(documents)} objects, {len(found)} problems")
        for problem in found:
            print(f"  {problem}")
    return int(failed)


if __name__ == "__main__":
    # A validator that accepts everything would make this test pass for nothing.
    broken = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "x"},
              "spec": {"replicas": "two", "template": {"spec": {"containers": [{"name": "x"}]}}}}
    assert len(problems_of(broken)) == 3, problems_of(broken)
    sys.exit(main())
