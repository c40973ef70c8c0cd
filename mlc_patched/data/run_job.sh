# Run the command of a job and record its exit status (job.sh prepares and follows jobs):
#   sh -c SCRIPT mlc-job run DIRECTORY NUMBER WORD...
# It is short, as everybody sees it in ps while the job runs.
# shellcheck shell=sh
log="$2/$3.log" record="$2/records/$3"
shift 3
put() { echo "$2" >"$record/$1.new" && mv "$record/$1.new" "$record/$1"; }
trap : HUP INT TERM
put started "$(date +%s) $$ $(cut -d ' ' -f 22 "/proc/$$/stat")" || exit 1
export PYTHONUNBUFFERED="${PYTHONUNBUFFERED-1}"
"$@" </dev/null >"$log" 2>&1
put status "$? $(date +%s)"
