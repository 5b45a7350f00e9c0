# What the scripts of services have in common. Sourced by them; does nothing by itself.
#
# A service is fetched into $cache/lib. Each of its processes has a folder with its `pid` and
# `output.log`.

# The comment at the head of the script.
usage() {
    sed -n '2,/^set /{/^# \{0,1\}/s///p}' "${BASH_SOURCE[-1]}"
    exit 2
}

is_fetched() { [ -f "$cache/complete" ]; }

# fetch_by_maven NAME POM JAR: what the POM names, JAR among it. One process at a time: the others
# wait and find it done.
fetch_by_maven() {
    local name=$1 pom=$2 jar=$3
    is_fetched && return
    mkdir -p "$cache"
    exec 9>"$cache/lock"
    flock 9
    if ! is_fetched; then
        need_maven
        say "fetching $name $version into $cache"
        rm -rf "$cache/lib.part"
        mvn --quiet --batch-mode --file "$pom" \
            org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
            -DincludeScope=runtime "-DoutputDirectory=$cache/lib.part" \
            || fail "mvn dependency:copy-dependencies of $name $version"
        [ -f "$cache/lib.part/$jar" ] || fail "Maven left no $jar"
        rm -rf "$cache/lib"
        mv "$cache/lib.part" "$cache/lib"
        touch "$cache/complete"
    fi
    flock -u 9
    exec 9>&-
}

# begin FOLDER OPTION...: the script's `node` with these options, in the background.
begin() {
    local folder=$1
    shift
    mkdir -p "$folder"
    setsid bash "${BASH_SOURCE[-1]}" node "$@" </dev/null >"$folder/output.log" 2>&1 &
    echo $! >"$folder/pid"
}

# is_running FOLDER
is_running() {
    local pid
    pid=$(cat "$1/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null
}

# did_not_start NAME FOLDER: with the end of what it said.
did_not_start() {
    tail -n 30 "$2/output.log" >&2
    fail "$1 did not start; see $2/output.log"
}

# end FOLDER: asks its process to end, and ends it after 10 s.
end() {
    local pid waited
    pid=$(cat "$1/pid" 2>/dev/null) || return 0
    kill "$pid" 2>/dev/null || true
    for ((waited = 0; waited < 100; waited++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
    rm -f "$1/pid"
}
