#!/usr/bin/env bash
# What building and testing need, installed when missing. Sourced by run.sh and test.sh.

say() { printf '\n== %s\n' "$*"; }
fail() { printf '\nFAILED: %s\n' "$*" >&2; exit 1; }

# install_debian COMMAND PACKAGE...: by apt when the command is not there.
install_debian() {
    local command=$1
    shift
    command -v "$command" >/dev/null 2>&1 && return
    say "installing $* (for $command)"
    command -v apt-get >/dev/null 2>&1 \
        || fail "$command is missing and this is no Debian: install $* by hand"
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo)
    if [ -z "${apt_updated:-}" ]; then
        "${as_root[@]}" apt-get update -qq || fail "apt-get update"
        apt_updated=1
    fi
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq "$@" >/dev/null \
        || fail "apt-get install $*"
}

need_rust() {
    command -v cargo >/dev/null 2>&1 && return
    [ -x "$HOME/.cargo/bin/cargo" ] && export PATH="$HOME/.cargo/bin:$PATH" && return
    fail "Rust is missing: install it from https://rustup.rs and run this again"
}

# The embedded store and the cryptography are C and are compiled here.
need_c_compiler() {
    install_debian cc build-essential
    install_debian cmake cmake
}

need_node() {
    install_debian node nodejs
    install_debian npm npm
    local major
    major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
    [ "$major" -ge 20 ] || fail "Node.js 20 or newer is needed for the browser tests; this is $(node --version)"
}

# npm_install FOLDER: what its lock file names.
npm_install() {
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error) || fail "npm ci in $1"
}

# Cassandra 5 runs on Java 17 (or 11) and on no later one; OpenSearch 2 runs on it too. Sets $java.
need_java() {
    local candidate
    for candidate in "${JAVA_HOME:+$JAVA_HOME/bin/java}" "$(command -v java || true)" \
        /usr/lib/jvm/*17*/bin/java; do
        is_java_17 "$candidate" && java=$candidate && return
    done
    install_debian no-java-17 openjdk-17-jdk-headless
    for candidate in /usr/lib/jvm/*17*/bin/java; do
        is_java_17 "$candidate" && java=$candidate && return
    done
    fail "Java 17 is missing: install it and set JAVA_HOME"
}

is_java_17() {
    [ -x "$1" ] && [[ $("$1" -version 2>&1) == *'version "'1[17].* ]]
}

need_maven() {
    install_debian mvn maven
}

# Prometheus and promtool, for the tests of dashboards and alerts. Debian starts it as a service:
# only the programs are wanted.
need_prometheus() {
    install_debian promtool prometheus
    command -v prometheus >/dev/null 2>&1 || fail "prometheus is missing: install it by hand"
}

need_redis() {
    install_debian redis-server redis-server
    install_debian redis-cli redis-tools
}

# Tools of Python, in a folder of the build's own. Sets $tools.
need_python_tools() {
    tools="$PWD/target/tools"
    install_debian python3 python3
    if ! [ -x "$tools/bin/pip" ]; then
        python3 -m venv "$tools" 2>/dev/null \
            || { rm -rf "$tools"; install_debian no-venv python3-venv; python3 -m venv "$tools"; } \
            || fail "python3 -m venv"
    fi
    "$tools/bin/pip" install --quiet --disable-pip-version-check "$@" || fail "pip install $*"
}

# Helm is compiled from its source; the compiler keeps what it made. Sets $helm.
need_helm() {
    helm="$PWD/target/tools/go/helm"
    [ -x "$helm" ] && return
    command -v go >/dev/null 2>&1 || install_debian go golang-go
    say "building Helm"
    GOBIN="$PWD/target/tools/go" GOFLAGS=-trimpath go install helm.sh/helm/v4/cmd/helm@v4.3.1 \
        || fail "Helm, which renders the chart (a recent Go is needed)"
}

# The tests of the shipped proxy configurations start the real ones.
need_proxies() {
    # Debian keeps both where only root's PATH looks.
    export PATH="$PATH:/usr/sbin"
    install_debian nginx nginx-light
    install_debian haproxy haproxy
}
