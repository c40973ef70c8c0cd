# Number a new job in a container, follow jobs and end them (run_job.sh runs them):
#   sh -c SCRIPT mlc-job VERB DIRECTORY ARGUMENT...
# Job N has its output in DIRECTORY/N.log, and in DIRECTORY/records/N/ the files `command` (words
# that end in NUL), `kind`, `started` (time, PID, and when that started, in ticks since the boot),
# and after its end `status` (exit status, time). Jobs that end with their container have no status.
# shellcheck shell=sh
set -u
verb="$1" directory="$2"
shift 2
records="$directory/records"
start_of() { # PID: field 22 of proc(5)'s stat; the second one, a name, may contain blanks
    stat="$(cat "/proc/$1/stat" 2>/dev/null)" || return 1
    # shellcheck disable=SC2086 # it is split on purpose
    set -- ${stat##*) }
    echo "${20}"
}
is_running() { # NUMBER
    [ ! -e "$records/$1/status" ] && [ -e "$records/$1/started" ] || return 1
    read -r _ pid ticks <"$records/$1/started" || return 1
    [ "$(start_of "$pid")" = "$ticks" ]
}
has_ended() { # NUMBER; what has not begun has not ended
    [ -e "$records/$1/status" ] || { [ -e "$records/$1/started" ] && ! is_running "$1"; }
}
pause() { sleep "$1" 2>/dev/null || sleep 1; } # POSIX has whole seconds only
case "$verb" in
prepare) # KEPT KIND WORD...: print the number of a new job, and delete old ones
    kept="$1" kind="$2"
    shift 2
    mkdir -p "$records" || exit 1
    number=0
    for record in "$records"/*; do
        each="${record##*/}"
        case "$each" in *[!0-9]*) continue ;; esac
        if [ "$each" -gt "$number" ]; then number="$each"; fi
    done
    number=$((number + 1))
    until mkdir "$records/$number" 2>/dev/null; do # another process may be faster
        if [ ! -d "$records/$number" ]; then
            mkdir "$records/$number" # for its message
            exit 1
        fi
        number=$((number + 1))
    done
    rm -f "$directory/$number.log"
    echo "$kind" >"$records/$number/kind" && printf '%s\0' "$@" >"$records/$number/command" || exit 1
    for record in "$records"/*; do
        each="${record##*/}"
        case "$each" in *[!0-9]*) continue ;; esac
        if [ "$each" -le $((number - kept)) ] && ! is_running "$each"; then
            rm -rf "$record" "$directory/$each.log"
        fi
    done
    echo "$number"
    ;;
watch) # NUMBER TENTHS: wait until a job has ended, or so many tenths of a second
    tenths="$2"
    while ! has_ended "$1" && [ "$tenths" -gt 0 ]; do
        pause 0.1
        tenths=$((tenths - 1))
    done
    ;;
follow) # NUMBER LINES: wait until a job has ended; print its output, all or the last LINES before
    while [ ! -e "$directory/$1.log" ] && ! has_ended "$1"; do pause 0.1; done
    if [ "$2" != none ] && [ -e "$directory/$1.log" ]; then exec 3<"$directory/$1.log"; else exec 3</dev/null; fi
    case "$2" in all | none) ;; *) tail -n "$2" <&3 ;; esac
    while :; do
        if has_ended "$1"; then over=yes; else over=''; fi
        cat <&3 # what is new: the position is kept
        if [ -n "$over" ]; then break; fi
        pause 0.5
    done
    ;;
end) # NUMBER...: end jobs with all their processes
    for number; do
        if is_running "$number"; then kill -s TERM -- "-$pid"; fi
    done
    for number; do
        tenths=100
        while is_running "$number" && [ "$tenths" -gt 0 ]; do
            pause 0.1
            tenths=$((tenths - 1))
        done
        if is_running "$number"; then kill -s KILL -- "-$pid"; fi
    done
    ;;
esac
