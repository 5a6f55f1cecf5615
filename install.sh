#!/bin/bash
# Installs Energy Monitor on Raspberry Pi OS or Debian, version 12 or newer.
#
# What this does it can do again: what is there already stays as it is, and the next run completes
# one that was cut off. All of it is in functions, and the last line calls 'main': half a download
# does nothing.
set -euo pipefail
umask 022

readonly OPT=/opt/energy-monitor # releases/NAME, and 'current', which points to one of them
readonly ETC=/etc/energy-monitor
readonly DATA=/var/lib/energy-monitor
readonly BLANK=$ETC/restoring   # here while what is in $ETC was made up and waits for a backup
readonly RESTORED=$ETC/restored # says from where this machine was restored
readonly OWN_PACKAGES=$ETC/packages.txt # of the owner's: pip requirements and paths
readonly UNITS=/etc/systemd/system
readonly LOG=/var/log/energy-monitor-install.log
readonly COMMAND=/usr/local/bin/energy-monitor
readonly LOCALTIME=/etc/localtime
readonly ZONES=/usr/share/zoneinfo
readonly UDEV_RULES=/etc/udev/rules.d/60-energy-monitor.rules
readonly JOURNALD=/etc/systemd/journald.conf.d/energy-monitor.conf
readonly ZRAM=/etc/systemd/zram-generator.conf.d/energy-monitor.conf
readonly DOCKER_KEY=/etc/apt/keyrings/docker.asc
readonly DOCKER_LIST=/etc/apt/sources.list.d/docker.list
readonly COLLECTOR=energy-monitor-collector.service
readonly STACK=energy-monitor-stack.service
readonly CONTENTS=(
    collector backup systemd grafana-provisioning docker-compose.yml install.sh
    pyproject.toml Pipfile.lock config.example.yaml README.md LICENSE
)
readonly STACK_SETTINGS="GRAFANA_BIND GRAFANA_WEBHOOK GRAFANA_PROVISIONING TIMEZONE COMPOSE_PROFILES INFLUXDB_IMAGE COMPOSE_FILE"
readonly LITTLE_MEMORY_KB=1100000 # a Pi that is sold with 1 GB has a little less
readonly SOURCES_WITHIN_S=60      # the slowest meter is read every 10 s, and may fail once or twice
readonly OUTPUTS_WITHIN_S=300     # InfluxDB on a Pi looks through its files before it answers
readonly STAYS_WELL_S=10          # what crashes does so on its first readings

SOURCE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
readonly SOURCE

mode=install
yes=no purge=no docker=yes demo=no lan=no tune=no
restore="" settings="" identity="" # where backups are, and the files that let this machine in
backup_id=latest signed_by=""      # which backup, and the public key that it must be signed with
extras=""                          # more packages, NAME,NAME
store="" key=""                    # what these hold
doing="" failure="" remedy="" again=yes logging=no changes=0 placed=0 renewed=no
undo=() # what takes back the step that is being done, should it fail

usage() {
    cat << 'END'
sudo ./install.sh               install; run it again at any time: it does only what is missing
sudo ./install.sh --upgrade     replace the installed release by the one in this folder;
                                return to the old one if the new one does not work
sudo ./install.sh --uninstall   remove the program; configuration and readings stay
sudo ./install.sh --restore azure|sftp://USER@HOST/FOLDER|FOLDER
                                install, and restore the newest backup kept there

  --backup ID       another one than the newest, such as 20261120T193000Z
  --signed-by KEY   take only backups signed with this key ('energy-monitor backup key'
                    of the machine that made them)
  --settings FILE   for azure: what 'terraform output -raw collector_settings' prints, or the
                    address of the container with its SAS; without it --restore azure asks.
                    For sftp://…: the secret backup-sftp of the previous machine; without it
                    --restore shows a new key for the server
  --identity FILE   the private key of encrypted backups; without it --restore asks
  --yes         ask no questions
  --no-docker   without InfluxDB and Grafana on this machine
  --demo        with a simulated house instead of meters
  --with NAMES  install extras that the configuration does not name yet, such as
                --with postgresql,parquet; those that it names are installed anyway
  --lan         let the local network reach the page and Grafana, with their passwords
  --purge       with --uninstall: remove configuration, secrets and readings too
  --settle      return from an interrupted upgrade (happens on its own after a power cut)
END
}

# What Makefile does for a developer: pip reads no Pipfile.lock, so its packages are handed over
# as requirements with their hashes.
readonly REQUIREMENTS='
import json, sys
for name, pin in json.load(open(sys.argv[1]))[sys.argv[2]].items():
    if name in sys.argv[3:]:
        continue
    marker = " ; " + pin["markers"] if "markers" in pin else ""
    print(name + pin["version"] + marker, *("--hash=" + each for each in pin["hashes"]))
'
# One line for each source and output that the collector tells of, such as "source mains alive".
# "before" an upgrade: what reads and delivers. Backups are no measure of a release. "after" it: a
# source that has read since the start is alive, whatever its device does just now.
readonly STATES='
import json, sys
when = sys.argv[1] if len(sys.argv) > 1 else ""
answer = json.load(sys.stdin)
for name, each in answer["sources"].items():
    state = "alive" if when == "after" and each["reads"] else each["state"]
    kinds = {reading["kind"] for reading in each["latest"].values()}
    if when != "before" or (state == "alive" and kinds != {"backup"}):
        print("source", name, state)
for name, each in answer["outputs"].items():
    if when != "before" or each["state"] == "delivering":
        print("output", name, each["state"])
'

# --- saying what happens -----------------------------------------------------------------------

bold="" red="" plain=""
if [ -t 1 ]; then bold=$'\e[1m' red=$'\e[31m' plain=$'\e[0m'; fi

step() { # NAME [WHAT TO DO WHEN IT FAILS]
    doing=$1 remedy=${2:-} logging=no undo=()
    printf '%s==> %s%s\n' "$bold" "$1" "$plain"
}

say() { printf '    %s\n' "$1"; }

did() {
    changes=$((changes + 1))
    say "$1"
}

fail() { # WHY [WHAT TO DO]
    failure=$1 remedy=${2:-$remedy}
    exit 1
}

# Run a command, its output into the log; on a terminal, its last line shows that it is alive.
logged() {
    logging=yes
    printf '\n# %s\n' "$*" >> "$LOG"
    "$@" < /dev/null 2>&1 | tee -a "$LOG" | progress
}

progress() {
    local line
    while IFS= read -r line; do
        [ ! -t 1 ] || printf '\r\e[K    %.70s' "$line"
    done
    [ ! -t 1 ] || printf '\r\e[K'
}

on_exit() {
    local status=$? number
    trap - EXIT
    [ "$status" -ne 0 ] || exit 0
    set +e
    for ((number = ${#undo[@]} - 1; number >= 0; number--)); do eval "${undo[number]}"; done
    [ ! -t 1 ] || printf '\r\e[K'
    {
        printf '%sThis failed: %s%s\n' "$red" "${doing:-install.sh}" "$plain"
        [ -z "$failure" ] || printf '    %s\n' "$failure"
        if [ "$logging" = yes ]; then
            printf '    The last lines of %s:\n' "$LOG"
            tail -n 8 "$LOG" | sed 's/^/    | /'
        fi
        [ -z "$remedy" ] || printf 'What to do: %s\n' "$remedy"
        [ "$again" = no ] || [ -z "$doing" ] || printf 'Then run the same command again: it goes on where it stopped.\n'
    } >&2
    exit "$status"
}

# --- what there is -----------------------------------------------------------------------------

read_arguments() {
    local each
    while [ $# -gt 0 ]; do
        each=$1
        shift
        case $each in
            --restore)
                [ $# -gt 0 ] || fail "--restore needs a value: azure, sftp://USER@HOST/FOLDER, or a folder with backups."
                restore=$1
                shift
                ;;
            --backup | --signed-by)
                [[ ${1:-} =~ ^[0-9A-Za-z]+$ ]] || fail "$each needs a value: the id of a backup, or a public key."
                if [ "$each" = --backup ]; then backup_id=$1; else signed_by=$1; fi
                shift
                ;;
            --settings | --identity)
                [ -e "${1:-}" ] || fail "$each needs a file${1:+, and there is no $1}."
                if [ "$each" = --settings ]; then settings=$1; else identity=$1; fi
                shift
                ;;
            --yes) yes=yes ;;
            --upgrade | --uninstall | --settle) mode=${each#--} ;;
            --no-docker) docker=no ;;
            --demo) demo=yes ;;
            --with)
                [[ ${1:-} =~ ^[a-z_]+(,[a-z_]+)*$ ]] || fail "--with needs names: $(extras_known)."
                extras=$1
                shift
                ;;
            --lan) lan=yes ;;
            --purge) purge=yes ;;
            -h | --help) usage && exit 0 ;;
            *) fail "Unknown option $each." "./install.sh --help" ;;
        esac
    done
    for each in ${extras//,/ }; do
        [[ " $(extras_known) " = *" $each "* ]] || fail "There is no extra '$each'." "choose from: $(extras_known)"
    done
    [ "$purge" = no ] || [ "$mode" = uninstall ] || fail "--purge requires --uninstall."
    [ -z "$restore" ] || [ "$mode" = install ] || fail "--restore cannot be combined with --upgrade or --uninstall."
    [ -z "$settings" ] || is_far || fail "--settings requires --restore azure or --restore sftp://…."
    [ -z "$identity" ] || [ -n "$restore" ] || fail "--identity requires --restore."
    [ "$backup_id" = latest ] || [ -n "$restore" ] || fail "--backup requires --restore."
    [ -z "$signed_by" ] || [ -n "$restore" ] || fail "--signed-by requires --restore."
    case $restore in
        "" | azure | sftp://?*) ;;
        *) [ -d "$restore/manifests" ] || fail "$restore contains no backups: there is no folder 'manifests' in it." ;;
    esac
}

look_around() {
    model=$({ tr -d '\0' < /proc/device-tree/model; } 2> /dev/null) || model="a $(uname -m) machine"
    memory_kb=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' /proc/meminfo)
    architecture=$(dpkg --print-architecture 2> /dev/null) || architecture=unknown
    case $architecture in armhf | armel | i386) bits=32 ;; *) bits=64 ;; esac
    # shellcheck source=/dev/null
    os=$(. /etc/os-release && echo "${ID:-} ${VERSION_ID:-0} ${PRETTY_NAME:-}")
    read -r os_id os_version os_name <<< "$os"
    cmdline=""
    local each
    for each in /boot/firmware/cmdline.txt /boot/cmdline.txt; do
        if [ -z "$cmdline" ] && [ -f "$each" ]; then cmdline=$each; fi
    done
    say "$model, $((memory_kb / 1000)) MB of memory, $bits bits, $os_name"
    if [ -n "$cmdline" ]; then say "boot partition: ${cmdline%/*}"; fi
}

require_support() {
    case $os_id in debian | raspbian) ;; *) os_version=0 ;; esac
    [ "${os_version%%.*}" -ge 12 ] ||
        fail "$os_name is not supported." "use Raspberry Pi OS or Debian, version 12 or newer"
    if command -v python3 > /dev/null; then
        python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
            fail "python3 is $(python3 --version)." "make 'python3' the Python 3.11 or newer of the system"
    fi
    local each
    for each in collector systemd docker-compose.yml pyproject.toml Pipfile.lock; do
        [ -e "$SOURCE/$each" ] || fail "$SOURCE is incomplete: '$each' is missing." "get the whole project folder"
    done
}

# As measured, with some air: packages and a release; Docker and its images, and what is measured.
require_space() {
    local opt_mb=500 var_mb=200
    if [ "$docker" = yes ] && ! has_docker; then var_mb=3000; fi
    if [ "$(disk_of /opt)" = "$(disk_of /var/lib)" ]; then
        require_free /opt $((opt_mb + var_mb))
    else
        require_free /opt $opt_mb
        require_free /var/lib $var_mb
    fi
}

disk_of() { df --output=target "$1" | tail -n 1; } # FOLDER

require_free() { # FOLDER MB
    local free_mb
    free_mb=$(df --output=avail --block-size=1M "$1" | tail -n 1)
    [ "$free_mb" -ge "$2" ] || fail "$((free_mb)) MB are free in $1; $2 MB are needed." "free some space"
}

# InfluxDB and Grafana exist for 64 bits only.
decide_docker() {
    if [ "$docker" = yes ] && [ "$bits" = 32 ]; then
        docker=no
        say "This is a 32-bit system. InfluxDB 2 and Grafana are not available for it. Measuring and"
        say "backups work. For the rest, install a 64-bit system, or name an InfluxDB elsewhere"
        say "in $ETC/config.yaml (on this machine, the image influxdb:1.8.10 still runs)."
    fi
}

require_ports() {
    local port
    [ "$docker" = yes ] || return 0
    [ -z "$(own_containers)" ] || return 0
    for port in 8086 3000; do
        if (exec 3<> "/dev/tcp/127.0.0.1/$port") 2> /dev/null; then
            fail "Port $port is used by another program; InfluxDB (8086) and Grafana (3000) need it." \
                "stop what 'ss -ltnp sport = :$port' names, or add --no-docker"
        fi
    done
}

has_docker() { docker compose version > /dev/null 2>&1 && systemctl --quiet cat docker > /dev/null 2>&1; }

# The compose file has start_interval (Docker 25) and the contents of files (Compose 2.23).
require_docker_version() {
    local engine compose
    engine=$(docker version --format '{{.Server.Version}}' 2> /dev/null) || engine=0
    compose=$(docker compose version --short 2> /dev/null) || compose=0
    if is_at_least 25 "$engine" && is_at_least 2.23.1 "${compose#v}"; then return 0; fi
    fail "Docker $engine with Compose $compose is too old; Docker 25 and Compose 2.23.1 are needed." \
        "update Docker as https://docs.docker.com/engine/install/debian/ says, or add --no-docker"
}

is_at_least() { [ "$(printf '%s\n' "$@" | sort --version-sort | head -n 1)" = "$1" ]; } # LEAST VERSION

own_containers() {
    docker ps --quiet --filter label=com.docker.compose.project=energy-monitor 2> /dev/null || true
}

current_release() { basename "$(readlink "$OPT/current" 2> /dev/null)" 2> /dev/null || true; }

fingerprint_of() { # FOLDER: the same for the same contents
    (
        cd "$1"
        { find "${CONTENTS[@]}" -type f ! -name '*.pyc' -print0 2> /dev/null || true; } |
            LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c 1-16
    )
}

fingerprint_in() { cat "$OPT/releases/$1/fingerprint" 2> /dev/null || true; } # NAME

# The release in this folder goes by its version, or, where another stands under that, by its
# contents too.
name_release() {
    local version
    version=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$SOURCE/collector/__init__.py")
    fingerprint=$(fingerprint_of "$SOURCE")
    release=$version
    case $(fingerprint_in "$release") in
        "" | "$fingerprint") ;;
        *) release=$version-${fingerprint:0:8} ;;
    esac
}

# --- steps -------------------------------------------------------------------------------------

is_far() { case $restore in azure | sftp://*) true ;; *) false ;; esac; }

is_restored() { [ "$(cat "$RESTORED" 2> /dev/null)" = "$(what_to_restore)" ]; }

what_to_restore() {
    if [ "$backup_id" = latest ]; then echo "$restore"; else echo "$restore $backup_id"; fi
}

# What lets this machine into the backup; of what is typed in, nothing is written down here.
ask_about_backup() {
    local asking=no answer
    [ -n "$restore" ] && ! is_restored || return 0
    if [ "$yes" = no ] && [ -t 0 ]; then asking=yes; fi
    if [ "$restore" = azure ] && [ -z "$settings" ] && [ ! -s "$ETC/secrets/backup-azure" ]; then
        [ "$asking" = yes ] || fail "--restore azure needs to ask where the backups are, but there is no terminal." \
            "add --settings FILE: what 'terraform output -raw collector_settings' prints, or the address of the container with its SAS"
        say "Where in Azure? A file with what 'terraform output -raw collector_settings' prints, or the"
        read -r -p "    address of the container with its SAS: " answer
        case $answer in
            http*) store=$answer ;;
            *) settings=$answer ;;
        esac
    fi
    if [[ $restore = sftp://* ]] && [ -z "$settings" ] && [ "$asking" = no ] && [ ! -s "$ETC/secrets/backup-sftp" ]; then
        fail "--restore $restore needs to show a key for the server, but there is no terminal." \
            "add --settings FILE: the secret backup-sftp of the previous machine"
    fi
    [ -z "$settings" ] || store=$(cat "$settings") || fail "$settings can't be read."
    if [ -n "$identity" ]; then
        key=$(cat "$identity") || fail "$identity can't be read."
    elif [ "$asking" = yes ]; then
        read -r -s -p "    The private key, AGE-SECRET-KEY-1…; just Enter where backups are not encrypted: " key
        echo
    fi
}

# A question is asked before anything is done, and only where both answers are good.
ask_about_memory() {
    needs_zram || needs_memory_cgroup || return 0
    if has_little_memory; then
        say "1 GB of memory is little for a database. Compressed swap in memory helps, and memory limits"
        say "for containers (active after a restart)."
    else
        say "This system gives containers no memory limits, so a database could take all of it. A word on"
        say "the kernel's command line turns them on (active after a restart)."
    fi
    tune=$yes
    if [ "$yes" = no ] && [ -t 0 ]; then
        local answer
        read -r -p "    Change that? [Y/n] " answer
        case $answer in [nN]*) ;; *) tune=yes ;; esac
    fi
    [ "$tune" = yes ] || say "Nothing of it is changed; 'install.sh --yes' does."
}

has_little_memory() { [ "$memory_kb" -le "$LITTLE_MEMORY_KB" ]; }

needs_zram() { has_little_memory && ! grep -q zram /proc/swaps && [ ! -e "$ZRAM" ]; }

# Raspberry Pi OS turns it off; only containers need it.
needs_memory_cgroup() {
    [ "$docker" = yes ] || has_little_memory || return 1
    [ -n "$cmdline" ] && ! grep -qw memory /sys/fs/cgroup/cgroup.controllers 2> /dev/null &&
        ! grep -q cgroup_enable=memory "$cmdline"
}

install_packages() {
    local wanted=(python3 python3-venv ca-certificates tzdata)
    has_time_sync || wanted+=(systemd-timesyncd)
    [[ $restore != sftp://* ]] || wanted+=(openssh-client)
    # PyPI has no 32-bit builds of some packages: they are built here.
    [ "$bits" = 64 ] || wanted+=(gcc libc6-dev libyaml-dev python3-dev)
    if [ "$tune" = yes ] && needs_zram; then wanted+=(systemd-zram-generator); fi
    step "Debian packages" "check the network ('ping debian.org') and the clock ('date')"
    complete_packages
    apt_install "${wanted[@]}"
}

# What a run before was cut off in; its dpkg may outlive it, and apt-get can wait for that one.
complete_packages() {
    [ -n "$(dpkg --audit)$(ls /var/lib/dpkg/updates)" ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    logged apt-get check -o DPkg::Lock::Timeout=600 || true
    logged dpkg --configure -a || true # what this leaves lacks something, which the next one gets
    logged apt-get install --yes --quiet --fix-broken -o DPkg::Lock::Timeout=600
}

has_time_sync() {
    [ "$(timedatectl show --property=CanNTP --value 2> /dev/null)" = yes ] ||
        [ -n "$(find /usr/lib/systemd/ntp-units.d -name '*.list' 2> /dev/null)" ]
}

apt_install() { # PACKAGE…
    local missing=() each from
    for each in "$@"; do
        dpkg-query --show --showformat='${Status}' "$each" 2> /dev/null | grep -q ' installed$' ||
            missing+=("$each")
    done
    [ ${#missing[@]} -gt 0 ] || return 0
    export DEBIAN_FRONTEND=noninteractive
    # A source of another program may fail; what is needed comes from Debian's.
    touch "$LOG"
    from=$(wc -l < "$LOG")
    if ! logged apt-get update --quiet -o APT::Update::Error-Mode=any; then
        tail -n "+$from" "$LOG" | grep -qE '^(Hit|Get):' || fail "No package source can be reached."
        say "A package source cannot be read (see $LOG); going on with the others."
        logging=no
    fi
    # A freshly installed system is busy with updates of its own; they end.
    logged apt-get install --yes --quiet --no-install-recommends -o DPkg::Lock::Timeout=600 \
        "${missing[@]}"
    mkdir -p "$ETC"
    printf '%s\n' "${missing[@]}" >> "$ETC/packages" # for --purge to tell
    did "installed: ${missing[*]}"
}

install_docker() {
    step "Docker" "check the network, or add --no-docker to install without InfluxDB and Grafana"
    if ! has_docker; then
        if [ "${os_version%%.*}" -ge 13 ]; then
            apt_install docker.io docker-cli docker-compose iptables
        else
            add_docker_repository
            apt_install docker-ce docker-ce-cli containerd.io docker-compose-plugin
        fi
    fi
    logged docker info ||
        fail "Docker is installed but not running." "systemctl status docker; journalctl -u docker"
    require_docker_version
}

# Debian 12 has a Compose that is too old.
add_docker_repository() {
    undo+=("rm -f $DOCKER_KEY $DOCKER_LIST")
    mkdir -p /etc/apt/keyrings
    logged /usr/lib/apt/apt-helper download-file https://download.docker.com/linux/debian/gpg $DOCKER_KEY ||
        fail "Docker's own package source cannot be reached; Debian 12 needs it."
    echo "deb [signed-by=$DOCKER_KEY] https://download.docker.com/linux/debian bookworm stable" > $DOCKER_LIST
}

make_account() {
    step "The user energy-monitor"
    if ! id energy-monitor > /dev/null 2>&1; then
        useradd --system --user-group --groups dialout --home-dir "$DATA" --no-create-home \
            --shell /usr/sbin/nologin energy-monitor
        did "created, with access to serial ports only"
    fi
    # The unit that rehearses a restoration names it; Docker, when it comes, makes it likewise.
    getent group docker > /dev/null || groupadd --system docker
}

build_release() {
    local folder=$OPT/releases/$release each
    step "Release $release" "check the network ('ping python.org') and the clock ('date')"
    if [ "$(fingerprint_in "$release")" != "$fingerprint" ]; then
        [ "$SOURCE" != "$folder" ] || fail "The release in $folder was changed." "get the project folder again, and run its install.sh"
        undo+=("rm -rf '$folder'")
        rm -rf "$folder"
        mkdir -p "$folder"
        for each in "${CONTENTS[@]}"; do
            [ ! -e "$SOURCE/$each" ] || cp -r "$SOURCE/$each" "$folder"
        done
        chmod +x "$folder/systemd/energy-monitor" "$folder/install.sh"
        build_environment "$folder"
        sync # the fingerprint says that all of it is there: it must be, after a power cut too
        echo "$fingerprint" > "$folder/fingerprint.new"
        mv "$folder/fingerprint.new" "$folder/fingerprint"
        did "built in $folder"
    elif ! has_its_python "$release"; then
        say "The system has Python $(python_version) now; the release was built for another."
        build_environment "$folder"
        renewed=yes
        did "built again"
    fi
    install_extras "$folder"
    install_own_packages "$folder"
}

extras_known() {
    python3 -c 'import json, sys; print(*sorted(json.load(open(sys.argv[1])).keys() - {"_meta", "default", "develop"}))' "$SOURCE/Pipfile.lock"
}

# What the configuration needs beyond the packages of every house, and what --with names.
install_extras() { # RELEASE FOLDER
    local wanted each
    wanted=${extras//,/ }
    if [ -e "$ETC/config.yaml" ]; then
        wanted+=" $("$1/venv/bin/energy-monitor" check --extras --config "$ETC/config.yaml" 2> /dev/null || true)"
    fi
    for each in $wanted; do
        [ ! -e "$1/extras/$each" ] || continue
        remedy="check the network ('ping pypi.org') and the clock ('date')"
        if [ "$bits" = 32 ] && [[ " kafka postgresql " = *" $each "* ]]; then
            say "The extra '$each' has no build for 32-bit systems: see docs/outputs.md, or use a 64-bit Raspberry Pi OS."
            continue
        fi
        mkdir -p "$1/extras"
        python3 -c "$REQUIREMENTS" "$1/Pipfile.lock" "$each" > "$1/extras/.new"
        install_into "$1" --require-hashes --requirement "$1/extras/.new"
        mv "$1/extras/.new" "$1/extras/$each"
        renewed=yes
        did "installed beside it: the extra $each"
    done
}

build_environment() { # RELEASE FOLDER
    local folder=$1 without=""
    echo none > "$folder/python"
    rm -rf "$folder/venv" "$folder/packages.sum" "$folder/extras"
    # What encrypts backups is built for 64 bits only; the program says so where it is asked to.
    [ "$bits" = 64 ] || without=pyrage
    python3 -c "$REQUIREMENTS" "$folder/Pipfile.lock" default "$without" > "$folder/requirements.txt"
    logged python3 -m venv "$folder/venv"
    install_into "$folder" --require-hashes --requirement "$folder/requirements.txt"
    install_into "$folder" --no-build-isolation --no-deps "$folder"
    logged "$folder/venv/bin/energy-monitor" --version
    rm -rf "$folder/build" "$folder"/*.egg-info
    python_version > "$folder/python"
}

python_version() { python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])'; }

# Debian brings another Python with its next version, and of what was built before nothing runs.
has_its_python() { # RELEASE
    local folder=$OPT/releases/$1
    if [ -e "$folder/python" ]; then
        [ "$(cat "$folder/python")" = "$(python_version)" ]
    else
        [ -d "$folder/venv/lib/python$(python_version)" ]
    fi
}

# Beside each release, within its versions: what the owner added (docs/add-a-source.md).
install_own_packages() { # RELEASE FOLDER
    local sum=""
    [ ! -e "$OWN_PACKAGES" ] || sum=$(own_packages_sum)
    [ "$sum" != "$(cat "$1/packages.sum" 2> /dev/null || true)" ] || return 0
    rm -f "$1/packages.sum"
    [ -n "$sum" ] || return 0
    remedy="correct $OWN_PACKAGES: a pip requirement or a path on each line; a path counts from $ETC"
    { cat "$1/requirements.txt" && { [ ! -d "$1/extras" ] || cat "$1/extras/"*; }; } |
        sed -n 's/^\([^ ]*==[^ ]*\).*/\1/p' > "$1/constraints.txt"
    logged env -C "$ETC" "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --root-user-action ignore --constraint "$1/constraints.txt" --requirement "$OWN_PACKAGES"
    echo "$sum" > "$1/packages.sum"
    renewed=yes
    did "installed beside it: what $OWN_PACKAGES lists"
}

# The same for the same list and the same contents of the folders in it.
own_packages_sum() {
    local line
    {
        cat "$OWN_PACKAGES"
        while IFS= read -r line || [ -n "$line" ]; do
            [[ -n $line && $line != [#-]* ]] || continue
            (cd "$ETC" && [ -e "$line" ] && find "$line" -type f ! -name '*.pyc' ! -path '*.egg-info/*' ! -path '*/build/*' -printf '%p %s %T@\n' | sort) || true
        done < "$OWN_PACKAGES"
    } | sha256sum | cut -c 1-16
}

install_into() { # RELEASE FOLDER, ARGUMENTS OF pip install…
    logged "$1/venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir \
        --root-user-action ignore "${@:2}"
}

make_secrets() { # NAMES
    local name file
    step "Secrets"
    mkdir -p "$ETC"
    install -d -m 0700 "$ETC/secrets"
    for name in "$@"; do
        file=$ETC/secrets/$name
        [ ! -s "$file" ] || continue
        (umask 077 && head -c 24 /dev/urandom | base64 --wrap=0 | tr '+/' '-_' > "$file.new")
        mv "$file.new" "$file"
        did "generated: sudo energy-monitor secret show $name"
    done
}

write_configuration() {
    local file=$ETC/config.yaml program=$OPT/releases/$release/venv/bin/energy-monitor
    step "Configuration" "correct $file; 'energy-monitor check' lists the mistakes"
    if [ ! -e "$file" ]; then
        { beginning && sources "$program" && outputs; } > "$file.new"
        [ -z "$restore" ] || touch "$BLANK"
        mv "$file.new" "$file"
        did "written: $file"
        [ "$demo" = yes ] || say "meters found: $(grep -c '^    model:' "$file")"
    fi
    accepts_configuration "$release" || fail "$file has mistakes, listed above."
}

# What 'energy-monitor setup influxdb' has yet to make is no fault.
accepts_configuration() { # RELEASE
    local each
    for each in "" _1M _1H _1D; do
        local -x "ENERGY_MONITOR_INFLUXDB_TOKEN$each=none" "ENERGY_MONITOR_INFLUXDB_READ_TOKEN$each=none"
    done
    "$OPT/releases/$1/venv/bin/energy-monitor" check > /dev/null
}

# The zone that /etc/localtime links to, or that it is a copy of.
time_zone() {
    local zone each
    zone=$(readlink -f "$LOCALTIME" | sed -n 's#^.*/zoneinfo/##p')
    for each in $(cat /etc/timezone 2> /dev/null) Etc/UTC $(grep -v '^#' "$ZONES/zone1970.tab" 2> /dev/null | cut -f 3); do
        [ -z "$zone" ] || break
        if cmp --silent "$ZONES/$each" "$LOCALTIME"; then zone=$each; fi
    done
    echo "${zone:-Etc/UTC}"
}

beginning() {
    cat << END
# What is measured, and where it goes. Every option: $OPT/current/config.example.yaml
# After a change:
#   sudo energy-monitor reload
site: home
timezone: $(time_zone)
END
}

sources() { # PROGRAM
    local found
    if [ "$demo" = yes ]; then
        found='sources:
  house: {type: simulated}
  heat_pump: {type: simulated, part: heat_pump}
  solar: {type: simulated, part: solar}'
    elif ! found=$("$1" scan < /dev/null 2>> "$LOG"); then
        found="sources:
  # No meter was found. When one is connected, what 'sudo energy-monitor scan' prints goes here."
    fi
    printf '%s\n  pi: {type: host, every: 10s}\n  backups: {type: backups, every: 1m}\n' "$found"
}

outputs() {
    local mark=""
    if [ "$docker" = no ]; then
        printf "# InfluxDB elsewhere: remove the '#', set url, org and bucket, then\n"
        printf '# sudo energy-monitor setup influxdb --admin-token-file FILE\n'
        mark="# "
    fi
    sed "s/^/$mark/" << 'END'
outputs:
  history:
    type: influxdb
    url: http://127.0.0.1:8086
    org: home
    bucket: energy
    token: !secret influxdb-token
    read_token: !secret influxdb-read-token
  # Minutes, hours and days, in buckets of their own: Grafana draws energies and years from them.
  history-1m:
    type: influxdb
    url: http://127.0.0.1:8086
    org: home
    bucket: energy-1m
    token: !secret influxdb-token-1m
    read_token: !secret influxdb-read-token-1m
    select: {kinds: ['*_1m']}
  history-1h:
    type: influxdb
    url: http://127.0.0.1:8086
    org: home
    bucket: energy-1h
    token: !secret influxdb-token-1h
    read_token: !secret influxdb-read-token-1h
    select: {kinds: ['*_1h']}
  history-1d:
    type: influxdb
    url: http://127.0.0.1:8086
    org: home
    bucket: energy-1d
    token: !secret influxdb-token-1d
    read_token: !secret influxdb-read-token-1d
    select: {kinds: ['*_1d']}
derivations:
  rollup: {type: rollup}
END
}

start_collector() {
    step "The collector" "journalctl -u energy-monitor-collector -n 50"
    if [ "$(current_release)" != "$release" ]; then
        undo+=("rm -f $OPT/current" take_files_away)
        switch_to "$release"
        did "release $release is active"
    fi
    place_files
    systemctl --quiet enable energy-monitor-settle.service
    [ "$renewed" = no ] || systemctl try-restart "$COLLECTOR"
    switch_on "$COLLECTOR"
    wait_until 30 has_read || fail "The collector reads nothing: $(last_words)"
    wait_until 10 has_tried_all || true
    states | sed -n 's/^source \(.*\) \(.*\)$/    \1 is \2/p'
}

# With --lan the network reaches the page too, with its password.
open_page() {
    local before
    [ "$lan" = yes ] || return 0
    step "The page"
    before=$(cksum "$ETC/config.yaml")
    if ! logged "$COMMAND" setup page --lan; then
        say "The page stays as it was, for the reason above."
    elif [ "$(cksum "$ETC/config.yaml")" != "$before" ]; then
        logged "$COMMAND" reload || fail "The collector does not take the new configuration, for the reason above."
        did "the local network can open the page, with a password"
    fi
}

switch_on() { # UNIT
    if systemctl is-enabled --quiet "$1" 2> /dev/null && systemctl is-active --quiet "$1"; then return 0; fi
    undo+=("systemctl --quiet disable --now $1")
    # A timer waits until the time can be trusted: this does not.
    if [[ $1 = *.timer ]]; then
        logged systemctl --quiet enable "$1"
        logged systemctl start --no-block "$1"
        did "$1 is on"
        return 0
    fi
    logged systemctl --quiet enable --now "$1" || fail "$1 does not start: $(last_words "$1")"
    did "$1 is running, and starts at every boot"
}

has_read() { states | grep -q '^source .* \(alive\|silent\)$'; }

has_tried_all() { ! states | grep -q '^source .* starting$'; }

last_words() { # [UNIT]
    local words=(journalctl --boot --lines 1 --output cat "_SYSTEMD_UNIT=${1:-$COLLECTOR}")
    "${words[@]}" --priority warning 2> /dev/null | grep . || "${words[@]}" 2> /dev/null || true
}

states() { # [before|after]
    { "$COMMAND" status --json 2> /dev/null || true; } | python3 -c "$STATES" "${1:-}" 2> /dev/null | sort || true
}

wait_until() { # SECONDS COMMAND…
    local end=$((SECONDS + $1))
    until "${@:2}"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

switch_to() { # RELEASE
    ln -sfn "releases/$1" "$OPT/current.new"
    mv -T "$OPT/current.new" "$OPT/current"
}

# Put the current release's files where the system looks for them, and take away what only
# another one had.
place_files() {
    local from=$OPT/current/systemd each
    placed=0
    for each in "$from"/energy-monitor-*.{service,timer} "$from"/energy-monitor-.service.d/*; do
        place "$each" "$UNITS/${each#"$from"/}"
    done
    for each in "$UNITS"/energy-monitor-*.{service,timer}; do
        [ -e "$from/${each##*/}" ] || remove_unit "${each##*/}"
    done
    [ "$placed" -eq 0 ] || systemctl daemon-reload
    place "$from/60-energy-monitor.rules" "$UDEV_RULES" reload_udev
    place "$from/journald.conf" "$JOURNALD" systemctl restart systemd-journald
    local command=$from/energy-monitor
    [ -e "$command" ] || command=$OPT/current/venv/bin/energy-monitor # of a release before
    if [ "$(readlink "$COMMAND")" != "$command" ]; then
        ln -sfn "$command" "$COMMAND"
        placed=$((placed + 1))
    fi
    [ "$placed" -eq 0 ] || did "$placed files installed: services, rules, $COMMAND"
}

place() { # FILE TARGET [COMMAND TO RUN WHERE IT WAS NOT THERE ALREADY…]
    ! cmp --silent "$1" "$2" || return 0
    mkdir -p "${2%/*}"
    install -m 0644 "$1" "$2.new"
    mv "$2.new" "$2"
    placed=$((placed + 1))
    "${@:3}"
}

remove_unit() { # UNIT
    systemctl --quiet disable --now "$1" 2> /dev/null || true
    rm -f "$UNITS/$1"
    placed=$((placed + 1))
}

take_files_away() {
    local each
    for each in "$UNITS"/energy-monitor-*.{service,timer}; do
        [ ! -e "$each" ] || remove_unit "${each##*/}"
    done
    rm -rf "$UNITS/energy-monitor-.service.d" "$COMMAND" "$UDEV_RULES" "$JOURNALD" "${JOURNALD%.conf}-persistent.conf"
    systemctl daemon-reload
    reload_udev
}

reload_udev() {
    systemctl is-active --quiet systemd-udevd || return 0
    udevadm control --reload
    udevadm trigger --action=add --subsystem-match=usb --subsystem-match=usb-serial
}

# --- InfluxDB and Grafana ----------------------------------------------------------------------

compose() { # RELEASE FOLDER, ARGUMENTS OF docker compose…
    read_stack_settings
    # A COMPOSE_FILE of the owner's names the current release: here it is that of the folder.
    env COMPOSE_PROJECT_NAME=energy-monitor COMPOSE_FILE="$1/docker-compose.yml" \
        SECRETS_DIR=/run/energy-monitor-stack/secrets "${stack_settings[@]//"$OPT/current/"/"$1/"}" \
        docker compose "${@:2}"
}

# The file may come from a backup, so it is read and never executed.
read_stack_settings() {
    local file=$ETC/stack.env line number=0
    stack_settings=()
    [ -e "$file" ] || return 0
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
        # systemd takes quotes off too.
        [[ ! $line =~ ^([A-Z_]+=)\"([^\"]*)\"$ ]] || line=${BASH_REMATCH[1]}${BASH_REMATCH[2]}
        [[ $line =~ ^[A-Z_]+=[A-Za-z0-9_.,:/@+-]*$ && " $STACK_SETTINGS " == *" ${line%%=*} "* ]] ||
            fail "$file, line $number is not a setting such as GRAFANA_BIND=127.0.0.1." \
                "correct it; accepted: $STACK_SETTINGS"
        stack_settings+=("$line")
    done < "$file"
}

start_stack() {
    step "InfluxDB and Grafana" "check the network; 'docker compose -p energy-monitor ps --all' lists the containers"
    write_stack_settings
    if lacks_tokens; then
        fetch_images "$OPT/current"
        logged compose "$OPT/current" up --detach --wait influxdb
        logged "$COMMAND" setup influxdb ||
            fail "InfluxDB could not be prepared." "outputs in $ETC/config.yaml must name http://127.0.0.1:8086; details: 'sudo energy-monitor setup influxdb'"
        did "InfluxDB is ready: the collector may write, Grafana may read"
    fi
    fetch_images "$OPT/current"
    switch_on "$STACK"
}

# The secret files of InfluxDB that Grafana or the configuration needs, and that are not there yet.
lacks_tokens() {
    local each
    for each in influxdb-token influxdb-read-token $(grep -o '^[^#]*!secret influxdb-[a-z-]*token[a-z0-9-]*' "$ETC/config.yaml" | sed 's/.*!secret //'); do
        [ -s "$ETC/secrets/$each" ] || return 0
    done
    return 1
}

fetch_images() { # RELEASE FOLDER
    local images each
    read_stack_settings # in this shell, for what is wrong ends it
    images=$(compose "$1" config --images)
    for each in $images; do
        docker image inspect "$each" > /dev/null 2>&1 || logged docker pull "$each" ||
            fail "The image $each cannot be downloaded."
    done
}

write_stack_settings() {
    local file=$ETC/stack.env
    if [ ! -e "$file" ]; then
        cat > "$file.new" << END
# After a change: sudo systemctl restart energy-monitor-stack
# Who can reach Grafana: 127.0.0.1 is this machine only, 0.0.0.0 is the whole local network.
GRAFANA_BIND=127.0.0.1
# Where days begin in Grafana.
TIMEZONE=$(time_zone)
# More servers to run, with commas between them: prometheus, redis, postgresql, mosquitto
COMPOSE_PROFILES=
END
        mv "$file.new" "$file"
        did "written: $file"
    fi
    if [ "$lan" = yes ] && ! grep -qx 'GRAFANA_BIND=0.0.0.0' "$file"; then
        sed -i 's/^GRAFANA_BIND=.*/GRAFANA_BIND=0.0.0.0/' "$file"
        did "the local network can reach Grafana"
        systemctl try-reload-or-restart "$STACK"
    fi
}

# --- what was backed up ------------------------------------------------------------------------

# A configuration that was not made up by this, perhaps in a run that was cut off, stays: the
# restored one is put beside it.
restore_backup() {
    [ -n "$restore" ] || return 0
    step "Restoring from $restore"
    if is_restored; then
        say "Already restored; to do it again: sudo energy-monitor restore $backup_id --from $restore"
        return 0
    fi
    if [ -n "$store" ]; then
        "$COMMAND" backup connect - <<< "$store" || fail "The store cannot be used, for the reason above."
    elif [[ $restore = sftp://* ]]; then
        "$COMMAND" backup connect "$restore" || fail "The store cannot be used, for the reason above."
    fi
    local words=(--from "$restore" --yes)
    [ ! -e "$BLANK" ] || words+=(--replace)
    [ -z "$key" ] || words+=(--identity /dev/fd/3)
    [ -z "$signed_by" ] || words+=(--signed-by "$signed_by")
    "$COMMAND" restore "$backup_id" "${words[@]}" < /dev/null 3<<< "$key" ||
        fail "The restoration is incomplete, for the reason above."
    what_to_restore > "$RESTORED"
    rm -f "$BLANK"
    did "the backup in $restore is restored"
    renewed=no
    install_extras "$OPT/releases/$release"
    [ "$renewed" = no ] || logged systemctl try-restart "$COLLECTOR"
}

# --- the rest ----------------------------------------------------------------------------------

start_backups() {
    "$COMMAND" backup --help > /dev/null 2>&1 || return 0
    step "Backups"
    local each
    for each in backup rotate upload rehearse; do switch_on "energy-monitor-$each.timer"; done
    make_signing_key
}

# After a restoration, which brings the old key back where backups are encrypted.
make_signing_key() {
    local public
    [ ! -s "$ETC/secrets/backup-signing" ] || return 0
    public=$("$COMMAND" backup key) || fail "The key that signs backups cannot be made, for the reason above."
    did "backups are signed"
    say "Write down the key by which a new machine knows your backups: $public"
}

tune_memory() {
    [ "$tune" = yes ] || return 0
    step "Memory"
    if needs_zram; then
        place "$OPT/current/systemd/zram-generator.conf" "$ZRAM" did "compressed swap in memory is set up"
    fi
    if needs_memory_cgroup; then
        sed '1s/$/ cgroup_enable=memory/' "$cmdline" > "$cmdline.new"
        sync "$cmdline.new"
        mv "$cmdline.new" "$cmdline"
        did "memory limits are enabled in $cmdline"
    fi
    say "This works after a restart: sudo reboot"
}

report() {
    step "Result"
    systemctl list-units --all --plain --no-legend 'energy-monitor-*' |
        awk '{ printf "    %-36s %s (%s)\n", $1, $3, $4 }'
    findmnt --noheadings --output OPTIONS / | grep -q noatime ||
        say "Advice: add 'noatime' to / in /etc/fstab. It saves the card many small writes."
    [ "$changes" -gt 0 ] || say "Nothing to do: everything is installed already."
    printf '\nNext: sudo energy-monitor status\n'
    printf 'Configuration: %s; every option: %s\n' "$ETC/config.yaml" "$OPT/current/config.example.yaml"
    report_page
    if systemctl is-enabled --quiet "$STACK" 2> /dev/null; then report_grafana; fi
}

report_page() {
    local url
    url=$("$COMMAND" status --json 2> /dev/null |
        python3 -c 'import json, sys; print(json.load(sys.stdin)["page"]["url"])' 2> /dev/null) || true
    case $url in
        "") return 0 ;; # it is off
        *//127.*) report_place "The page" "${url##*:}" no ;;
        *) report_place "The page" "${url##*:}" yes ;;
    esac
    if grep -q '^[^#]*!secret page-password' "$ETC/config.yaml"; then
        printf '    password: sudo energy-monitor secret show page-password\n'
    fi
}

report_grafana() {
    local open=no
    if grep -qx GRAFANA_BIND=0.0.0.0 $ETC/stack.env; then open=yes; fi
    report_place Grafana 3000 "$open"
    printf '    user admin, password: sudo energy-monitor secret show grafana-admin\n'
}

report_place() { # NAME PORT, IS IT OPEN TO THE NETWORK
    local address
    address=$(own_address)
    if [ "$3" = yes ]; then
        printf '%s, from any computer in your network: http://%s:%s\n' "$1" "$address" "$2"
        ! systemctl is-active --quiet avahi-daemon || printf '    or http://%s.local:%s\n' "$(hostname)" "$2"
    else
        printf '%s is open to this machine only: http://127.0.0.1:%s\n' "$1" "$2"
        printf '    For your network: sudo %s/current/install.sh --lan\n' "$OPT"
        printf '    For your computer alone: ssh -L %s:127.0.0.1:%s %s@%s, then the address above\n' \
            "$2" "$2" "${SUDO_USER:-$(id -un)}" "$address"
    fi
}

# The address with which this machine goes out; without a way out its name.
own_address() {
    local address
    address=$(ip -4 route get 1.1.1.1 2> /dev/null | sed -n 's/.* src \([0-9.]*\).*/\1/p') || true
    [ -n "$address" ] || address=$(hostname -I 2> /dev/null | cut -d ' ' -f 1) || true
    echo "${address:-$(hostname)}"
}

# --- the whole ---------------------------------------------------------------------------------

install_all() {
    require_support
    decide_docker
    require_space
    require_ports
    name_release
    ask_about_backup
    ask_about_memory
    local installed
    installed=$(current_release)
    if [ -n "$installed" ] && [ "$(fingerprint_in "$installed")" != "$fingerprint" ]; then
        again=no
        fail "Release $installed is installed; this folder contains another." "sudo ./install.sh --upgrade"
    fi
    release=${installed:-$release}
    install_packages
    [ "$docker" = no ] || install_docker
    make_account
    build_release
    make_secrets grafana-admin mosquitto-password page-password postgresql-password redis-password
    write_configuration
    start_collector
    open_page
    [ "$docker" = no ] || start_stack
    restore_backup
    start_backups
    tune_memory
    report
}

upgrade() {
    require_support
    name_release
    local installed
    installed=$(current_release)
    [ -n "$installed" ] || fail "Nothing is installed yet." "sudo ./install.sh"
    if [ "$(fingerprint_in "$installed")" = "$fingerprint" ]; then
        release=$installed
        build_release
        if [ "$renewed" = yes ]; then
            start_collector
        else
            say "Nothing to do: release $installed is installed already."
        fi
        return 0
    fi
    docker=no
    if systemctl is-enabled --quiet "$STACK" 2> /dev/null; then docker=yes; fi
    require_space
    install_packages
    build_release
    accept_configuration
    [ "$docker" = no ] || fetch_new_images
    back_up_first "$installed"
    make_secrets page-password # older releases made none, and Prometheus in Docker wants it
    try_release "$installed"
    make_signing_key
    remove_old_releases "$installed"
    report
}

accept_configuration() {
    step "Configuration"
    accepts_configuration "$release" ||
        fail "Release $release does not accept $ETC/config.yaml, for the reasons above. Nothing was changed." "correct it"
    "$OPT/releases/$release/venv/bin/energy-monitor" secret list > /dev/null ||
        fail "Release $release cannot load the secrets in $ETC/secrets, for the reasons above. Nothing was changed." "correct it"
}

fetch_new_images() {
    step "Images of InfluxDB and Grafana" "look at the network"
    require_docker_version
    fetch_images "$OPT/releases/$release"
}

back_up_first() { # INSTALLED RELEASE
    systemctl is-enabled --quiet energy-monitor-backup.timer 2> /dev/null || return 0
    if ! has_its_python "$1"; then
        say "Release $1 was built for another Python and makes no backup: the last one is what there is."
        return 0
    fi
    step "Backup" "journalctl -u energy-monitor-backup"
    logged systemctl start energy-monitor-backup.service ||
        fail "The backup before the upgrade failed. Nothing was changed: $(last_words energy-monitor-backup.service)"
}

# Switch, and wait until all that was well is well again. While the folder 'upgrading' is there the
# new release is on trial: whoever finds it after a cut goes back (settle).
try_release() { # INSTALLED RELEASE
    local trial=$OPT/upgrading ill
    step "From release $1 to $release"
    rm -rf "$trial.new"
    mkdir "$trial.new"
    echo "$1" > "$trial.new/from"
    states before > "$trial.new/well"
    undo+=("systemctl start $COLLECTOR")
    systemctl stop "$COLLECTOR"
    keep_journal "$1" "$trial.new"
    sync
    mv "$trial.new" "$trial"
    undo=(go_back)
    switch_to "$release"
    place_files
    systemctl start "$COLLECTOR" || true # what it says is found out below
    renew_stack "$1" "$release" || true
    ill=$(find_ill) || true
    if [ -n "$ill" ]; then
        again=no
        fail "Release $release does not work: $ill" \
            "nothing: release $1 is back. All that the new one said: journalctl -u energy-monitor-collector"
    fi
    mv "$trial" "$trial.done"
    rm -rf "$trial.done"
    undo=()
    did "release $release works"
}

# A newer release may write a journal that the older one does not open: keep the one of before.
keep_journal() { # INSTALLED RELEASE, FOLDER
    [ "$(journal_format "$1")" != "$(journal_format "$release")" ] || return 0
    if [ -d "$DATA/journal" ]; then cp -a "$DATA/journal" "$2/journal"; fi
}

journal_format() { # RELEASE
    "$OPT/releases/$1/venv/bin/python" -c 'from collector.journal import FORMAT; print(FORMAT)'
}

# InfluxDB goes on running where nothing was changed for it; Grafana always needs a new container,
# since the folder of the release before, which it has, will be removed.
renew_stack() { # RELEASE OF BEFORE, RELEASE OF NOW
    local how=reload-or-restart
    systemctl is-enabled --quiet "$STACK" 2> /dev/null || return 0
    cmp --silent "$OPT/releases/$1/systemd/$STACK" "$OPT/releases/$2/systemd/$STACK" || how=restart
    systemctl "$how" "$STACK"
}

# Print what was well and is not any more; nothing when all is well and stays so. A source that was
# not asked yet has time: nobody waits an hour for one that is read every hour.
find_ill() {
    local begin=$SECONDS ill id="" before now
    while :; do
        before=$id
        id=$(systemctl show --property=InvocationID --value "$COLLECTOR")
        now=$(states after)
        ill=$(sort "$OPT/upgrading/well" | comm -23 - <(echo "$now"))
        if [ $((SECONDS - begin)) -ge $SOURCES_WITHIN_S ]; then
            ill=$(comm -23 <(echo "$ill") <(sed -n 's/^\(source .*\) starting$/\1 alive/p' <<< "$now"))
        fi
        if [ -z "$ill" ] && [ -n "$now" ] && [ "$id" = "$before" ]; then return 0; fi
        [ "$(systemctl show --property=NRestarts --value "$COLLECTOR")" -le 3 ] || break
        if [ -n "$ill" ] && ! grep -q '^source' <<< "$ill"; then
            [ $((SECONDS - begin)) -lt $OUTPUTS_WITHIN_S ] || break
        else
            [ $((SECONDS - begin)) -lt $((SOURCES_WITHIN_S + 2 * STAYS_WELL_S)) ] || break
        fi
        sleep $STAYS_WELL_S
    done
    printf '%s' "${ill:+no longer ${ill//$'\n'/, }; }the collector's last words: $(last_words)"
}

# Back to the release of before the upgrade, with the journal that it knows.
go_back() {
    local from tried
    from=$(cat "$OPT/upgrading/from")
    tried=$(current_release)
    # While the machine is starting, a stop would only take back the start that is to come.
    [ "$mode" = settle ] || systemctl stop "$COLLECTOR" 2> /dev/null || true
    if [ -d "$OPT/upgrading/journal" ]; then put_journal_back; fi
    switch_to "$from"
    place_files
    mv "$OPT/upgrading" "$OPT/upgrading.done"
    rm -rf "$OPT/upgrading.done"
    [ "$mode" != settle ] || return 0
    systemctl reset-failed "$COLLECTOR" 2> /dev/null || true
    systemctl start "$COLLECTOR"
    [ "$tried" != "$from" ] || return 0
    renew_stack "$tried" "$from"
    rm -rf "$OPT/releases/$tried"
}

# What the newer release wrote is kept beside it, under a name that says so.
put_journal_back() {
    local aside
    aside=$DATA/journal.newer-than-$(cat "$OPT/upgrading/from")
    [ -e "$aside" ] || mv "$DATA/journal" "$aside"
    rm -rf "$DATA/journal" "$DATA/journal.new"
    cp -a "$OPT/upgrading/journal" "$DATA/journal.new"
    mv "$DATA/journal.new" "$DATA/journal"
}

settle() {
    [ -d "$OPT/upgrading" ] || return 0
    step "An upgrade was interrupted: returning to release $(cat "$OPT/upgrading/from")"
    go_back
    did "done"
}

remove_old_releases() { # RELEASE TO KEEP BESIDE THE CURRENT ONE
    local each name
    for each in "$OPT"/releases/*; do
        name=${each##*/}
        [ "$name" = "$release" ] || [ "$name" = "$1" ] || rm -rf "$each"
    done
}

uninstall() {
    confirm_purge
    step "Removing the services"
    remove_stack
    take_files_away
    step "Removing the program"
    rm -rf "$OPT"
    if [ "$purge" = yes ]; then
        purge_rest
    else
        say "Kept: $ETC, $DATA and the data of InfluxDB and Grafana. --purge removes them too."
    fi
}

confirm_purge() {
    local answer
    [ "$purge" = yes ] && [ "$yes" = no ] || return 0
    [ -t 0 ] || fail "--purge removes every reading and needs to ask, but there is no terminal." "add --yes"
    read -r -p "Remove configuration, secrets and every reading, for ever? Type 'remove': " answer
    [ "$answer" = remove ] || fail "Nothing was removed."
}

# A run before may have removed the release: this folder names the same containers and images.
remove_stack() {
    local folder=$OPT/current more=()
    command -v docker > /dev/null || { remove_volumes && return 0; }
    if ! docker info > /dev/null 2>&1 && ! { logged systemctl start docker && logged docker info; }; then
        say "Docker does not run, so its containers of Energy Monitor stay, and what they hold. To remove"
        say "them: start Docker, and run the same command again."
        return 0
    fi
    [ -e "$folder/docker-compose.yml" ] || folder=$SOURCE
    [ -e "$folder/docker-compose.yml" ] && has_docker || return 0
    [ "$purge" = no ] || more=(--volumes --rmi all)
    read_stack_settings # in this shell, so that the reason is seen
    logged compose "$folder" --profile '*' down --remove-orphans "${more[@]}"
}

# What Docker left behind when it was removed.
remove_volumes() {
    [ "$purge" = no ] || rm -rf /var/lib/docker/volumes/energy-monitor_*
}

purge_rest() {
    step "Removing configuration, secrets and readings"
    local packages=""
    if [ -s "$ETC/packages" ]; then packages=$(sort -u "$ETC/packages" | tr '\n' ' '); fi
    rm -rf "$ETC" "$DATA" "$UNITS"/energy-monitor-*.d
    rm -f "$ZRAM" "$LOG" /var/lib/systemd/timers/stamp-energy-monitor-*.timer
    rmdir --ignore-fail-on-non-empty "${ZRAM%/*}" "${JOURNALD%/*}" 2> /dev/null || true
    if [ -n "$cmdline" ]; then sed -i 's/ cgroup_enable=memory$//' "$cmdline"; fi
    if id energy-monitor > /dev/null 2>&1; then userdel energy-monitor; fi
    has_docker || groupdel docker 2> /dev/null || true
    [ -z "$packages" ] || say "Debian packages stay, because other programs may use them. To remove them:
    sudo apt-get autoremove --purge $packages"
    if [[ $packages = *docker-ce* ]]; then say "and their source: sudo rm $DOCKER_KEY $DOCKER_LIST"; fi
}

main() {
    trap on_exit EXIT
    read_arguments "$@"
    trap 'failure="It was interrupted."; exit 130' INT TERM HUP
    [ "$(id -u)" -eq 0 ] || fail "This needs root." "sudo $0 $*"
    [ -d /run/systemd/system ] || fail "This system does not run systemd."
    exec 9> /run/energy-monitor-install.lock
    flock --nonblock 9 || fail "Another install.sh is running."
    step "This machine"
    look_around
    case $mode in
        install) settle; install_all ;;
        upgrade) settle; upgrade ;;
        uninstall) uninstall ;;
        settle) settle ;;
    esac
}

main "$@"
