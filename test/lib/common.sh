# common.sh: what the demo and the test runner share; sourced by bash scripts.
#
# Both work on a copy of the source in a scratch folder: PostgreSQL refuses to
# run as root, other users may not be able to read the checkout, and its path
# may have blanks, which neither make nor nginx can take.  Nothing is installed
# into the system's PostgreSQL either: its folders are copied to a private
# prefix (0.3 s, 52 MB), which works because PostgreSQL finds its files
# relative to its programs.

say() { printf '%s\n' "$@"; }		# one line for each argument
die() { printf '%s: %s\n' "${0##*/}" "$*" >&2; exit 1; }

# Where scratch folders go.  A socket's path has at most 107 bytes, and the
# server's user must be able to reach the folder.
scratch_base() {
	local base=${TMPDIR:-/tmp}

	case $base in *[[:space:]\;\"\'\{\}]*) base=/tmp ;; esac
	[ ${#base} -le 40 ] && as_server test -x "$base" 2>/dev/null || base=/tmp
	say "$base"
}

# own_folder PATH: makes a scratch folder with a name that others can guess and
# prints it; one that somebody else made in the shared folder is refused.
own_folder() {
	mkdir -m 755 "$1" 2>/dev/null || { [ -d "$1" ] && [ ! -L "$1" ] && [ -O "$1" ]; } ||
		die "$1 belongs to somebody else"
	say "$1"
}

# Runs a command as the user who owns the server: postgres when called by root,
# else whoever calls.  The environment is bare, so that a developer's PG*
# variables, locale or proxy change nothing; VAR=value arguments come first.  A
# shell ignores two signals for what it runs in the background; that must not
# reach servers and tests.
as_server() {
	local cmd=(env -i --default-signal=INT,QUIT PATH="/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin" HOME=/nonexistent LC_ALL=C.UTF-8 "$@")

	if [ "$(id -u)" -eq 0 ]; then
		runuser -u postgres -- "${cmd[@]}"
	else
		"${cmd[@]}"
	fi
}

give_to_server() {
	[ "$(id -u)" -ne 0 ] || chown -R postgres: "$@"
}

# Prints the pg_config of a server that extensions can be built for: the one
# asked for, else the one in the path, else Debian's newest.
find_pg_config() {
	local c

	if [ -n "${PG_CONFIG:-}" ]; then
		set -- "$PG_CONFIG"
	else
		set -- pg_config $(ls -d /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -rV)
	fi
	for c; do
		if [ -f "$("$c" --pgxs 2>/dev/null)" ] && [ -x "$("$c" --bindir)/postgres" ]; then
			command -v "$c"
			return
		fi
	done
	return 1
}

# Installs what is missing; sets pg_config.  Needs neither root nor a network
# when nothing is missing.  A name may be a choice: "a|b" is there when one of
# them is, else the first is installed.
need_packages() {
	local version package missing=()

	if ! command -v apt-get >/dev/null; then
		pg_config=$(find_pg_config) || die "no pg_config with PGXS found; install the server's development files or set PG_CONFIG"
		return
	fi

	if pg_config=$(find_pg_config); then
		version=$("$pg_config" --version | sed 's/^PostgreSQL \([0-9]*\).*/\1/')
	elif [ -n "${PG_CONFIG:-}" ]; then
		die "PG_CONFIG=$PG_CONFIG is not a server with its development files (PGXS)"
	else
		[ -n "$(apt-cache pkgnames postgresql-server-dev 2>/dev/null)" ] || as_root apt-get -qq update
		version=$(apt-cache depends postgresql | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -1)
	fi
	[ "${version:-0}" -ge 15 ] || die "PostgreSQL 15 or later is needed, found ${version:-none}"

	for package; do
		# A server that is not Debian's has to bring its own.
		if [[ $package = *VERSION* && -n ${PG_CONFIG:-} && $("$PG_CONFIG" --bindir) != /usr/lib/postgresql/* ]]; then
			continue
		fi
		package=${package//VERSION/$version}
		dpkg-query -W -f '${db:Status-Status}\n' ${package//|/ } 2>/dev/null | grep -qx installed ||
			missing+=("${package%%|*}")
	done
	if [ ${#missing[@]} -gt 0 ]; then
		say "installing ${missing[*]}"
		as_root "$here/lib/install-packages" "${missing[@]}" || die "could not install: ${missing[*]}"
		pg_config=$(find_pg_config) || die "pg_config is still missing"
	fi
}

as_root() {
	if [ "$(id -u)" -eq 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo "$@"
	else
		die "packages are missing and this user is not root and has no sudo: $*"
	fi
}

BUILD_PACKAGES=(gcc libc6-dev make 'libcurl4-openssl-dev|libcurl4-gnutls-dev' libjansson-dev ca-certificates)
MODEL_SERVER_PACKAGES=(nginx-light libnginx-mod-http-lua libnginx-mod-http-ndk lua-resty-core lua-cjson curl)

# copy_source FROM TO: the files of a checkout without what was built in it, and
# with their times, so that make builds only what changed.
copy_source() {
	rm -rf "$2"
	mkdir -p "$2"
	tar -C "$1" --exclude=./.git --exclude='*.o' --exclude='*.d' --exclude='*.so' --exclude='*.bc' \
		--exclude='./sql/linkedin_ingest--*.sql' --exclude=./src/.build_commit \
		--exclude=./results --exclude='./tmp_check*' --exclude=./output_iso -cf - . |
		tar -C "$2" --no-same-owner -xf -
}

# make_prefix PG_CONFIG PREFIX: a private copy of the server; made anew when the
# system's has changed.  Its folders keep their names below PREFIX.
make_prefix() {
	local version dir

	version="$("$1" --version) $("$1" --bindir) $(stat -c %Y "$("$1" --bindir)/postgres")"
	if [ "$(cat "$2/version" 2>/dev/null)" = "$version" ]; then
		return
	fi
	rm -rf "$2"
	for dir in "$("$1" --bindir)" "$("$1" --pkglibdir)" "$("$1" --sharedir)"; do
		[ -d "$2$dir" ] && continue
		mkdir -p "$2${dir%/*}"
		cp -a "$dir" "$2$dir"
	done
	dir=$("$1" --includedir-server)
	mkdir -p "$2${dir%/*}"
	ln -s "$dir" "$2$dir"
	say "$version" >"$2/version"
}

# prefix_bindir PG_CONFIG PREFIX
prefix_bindir() { say "$2$("$1" --bindir)"; }

# build SOURCE BUILD PG_CONFIG [VAR=value ...]: builds outside the source folder
# and installs into the prefix that pg_config belongs to.
build() {
	local src=$1 build=$2 pg_config=$3

	shift 3
	# Objects of another checkout may be newer than this one's sources.
	if [ "$(cat "$build/origin" 2>/dev/null)" != "$origin $*" ]; then
		rm -rf "$build"
		mkdir -p "$build"
		say "$origin $*" >"$build/origin"
	fi
	make -s -j2 -C "$build" -f "$src/Makefile" VPATH="$src" PG_CONFIG="$pg_config" "$@" all
	make -s -C "$build" -f "$src/Makefile" VPATH="$src" PG_CONFIG="$pg_config" "$@" install
}

# The cluster functions take the folder that holds a cluster's data, socket and
# log.  It is reached through the socket alone: no port of the machine is used,
# and the number below only names the socket.
PORT=54329

# new_cluster BINDIR DIR: settings from standard input.  Here and below, what
# starts a server has a session of its own: Ctrl-C must not end pg_ctl between
# the fork and the pid file.
new_cluster() {
	rm -rf "$2"
	mkdir -p "$2/socket"
	chmod 700 "$2/socket"
	setsid "$1/initdb" -D "$2/data" -U postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync --no-instructions \
		>"$2/initdb.log" || { cat "$2/initdb.log" >&2; return 1; }
	{
		say "listen_addresses = ''"
		say "unix_socket_directories = '$2/socket'"
		say "port = $PORT"
		say "fsync = off"
		say "timezone = 'UTC'"
		cat
	} >>"$2/data/postgresql.conf"
}

start_cluster() {
	setsid "$1/pg_ctl" -D "$2/data" -l "$2/server.log" -w -s start ||
		{ tail -20 "$2/server.log" >&2; return 1; }
}

# stop_cluster BINDIR DIR [MODE]: quiet when it does not run.
stop_cluster() {
	[ -e "$2/data/postmaster.pid" ] || return 0
	"$1/pg_ctl" -D "$2/data" -m "${3:-fast}" -w -s stop
}

# stop_servers FOLDER: ends whatever runs from programs below the folder (the
# private prefix) and the scripted model servers that keep their files there.
stop_servers() {
	local signal pid file try

	for signal in QUIT KILL; do
		for try in $(seq 100); do
			pid=$(pids_below "$1")
			[ -n "$pid" ] || break
			[ "$try" -ne 1 ] || kill "-$signal" $pid 2>/dev/null || true
			sleep 0.05
		done
	done
	find "$1" -name nginx.pid 2>/dev/null | while read -r file; do
		"$here/llm/stop" "${file%/*}" || true
	done
}

# pids_of_session SESSION
pids_of_session() {
	cat /proc/[0-9]*/stat 2>/dev/null | sed 's/^\([0-9]*\) (.*) /\1 /' | awk -v session="$1" '$5 == session { print $1 }'
}

# A program that valgrind runs is known by its argument.
pids_below() {
	local link exe

	for link in /proc/[0-9]*/exe; do
		exe=$(readlink "$link" 2>/dev/null) || continue
		[[ $exe != */valgrind/* ]] || exe=$(tr '\0' '\n' <"${link%exe}cmdline" | grep -m 1 '/bin/postgres\.real$') || continue
		[[ $exe != "$1"/* ]] || { link=${link#/proc/}; say "${link%/exe}"; }
	done
}
