# shellcheck shell=bash
#
# Convert user names for systemd slices and for accounts inside containers: a library for bash
# scripts to source. username_utils.py beside it is the same library for Python: the same function
# names, and the same bytes for every input. Change both files together.
#
# The rules are those of docs/contracts.md, "Accounts"; the example comes from DS01's design document,
# "Username Sanitization".
#
#   sanitize_username_for_slice NAME
#   get_user_slice_name GROUP NAME
#   sanitize_username_for_container NAME
#   get_canonical_username NAME
#
# Each prints its result and one newline on stdout; a missing argument is treated as empty. They need
# bash and coreutils: md5sum for account names that are too long, id for names that are not in
# /etc/passwd. Nothing else starts a process.
#
# The functions work with any shell options of the caller, and change none. Local variables have the
# prefix _username_, because `local` fails for a readonly variable of the caller.

# Already sourced: nothing to do. This is detected by a function, not by a variable, because a
# variable could come from the environment without the functions.
if declare -F _username_lower >/dev/null; then
    return 0
fi

# Prints NAME as part of a systemd slice name: `@` becomes `-at-`; `.` and every other character
# outside [A-Za-z0-9_-] become `-`; several `-` become one; `-` at either end is removed.
#   $1      user name on the host; any bytes
#   stdout  the sanitised name; an empty line if nothing of the name is left
#   status  0
# Source: docs/contracts.md, "Accounts". h.baker@hertie-school.lan gives
# h-baker-at-hertie-school-lan (design document, "Username Sanitization").
sanitize_username_for_slice() {
    local _username_text="${1-}"
    _username_sanitize 2>/dev/null
    printf '%s\n' "$_username_text"
}

# Prints the name of a user's systemd slice, ds01-GROUP-SANITISED.slice.
#   $1      the user's resource group, such as students; used unchanged
#   $2      user name on the host; any bytes
#   stdout  the slice name; SANITISED may be empty, see sanitize_username_for_slice
#   status  0
# Source: docs/contracts.md, "Accounts".
get_user_slice_name() {
    local _username_text="${2-}"
    _username_sanitize 2>/dev/null
    printf 'ds01-%s-%s.slice\n' "${1-}" "$_username_text"
}

# Prints NAME as an account name inside a container: the name for a slice, in lower case, with `u-`
# in front if it does not start with [a-z_]. A result longer than 32 characters is cut to 27, loses
# a `-` at the end, and gets `-` and the first 4 hex digits of the MD5 of the original name, so that
# long names with the same beginning remain different.
#   $1      user name on the host; any bytes
#   stdout  1 to 32 characters of [a-z0-9_-], starting with [a-z_]
#   status  0; 1, with a message on stderr, if nothing is left of the name, it was empty, or md5sum
#           failed
# Source: docs/contracts.md, "Accounts".
sanitize_username_for_container() {
    local _username_name="${1-}" _username_text="${1-}" _username_digest
    _username_sanitize 2>/dev/null
    if [[ -z $_username_text ]]; then
        # %q, because the name may contain control characters.
        printf 'cannot make an account name of the user name %q: %s\n' \
            "${_username_name:0:40}" 'it has no ASCII letter, digit or underscore' >&2
        return 1
    fi
    _username_lower 2>/dev/null
    if [[ $_username_text == [0-9]* ]]; then
        # A digit is the only start that is valid in a slice but not in an account.
        _username_text=u-$_username_text
    fi
    if ((${#_username_text} > 32)); then
        _username_digest=$(printf '%s' "$_username_name" | command md5sum) || return 1
        _username_text=${_username_text:0:27}
        _username_text=${_username_text%-}-${_username_digest:0:4}
    fi
    printf '%s\n' "$_username_text"
}

# Prints NAME as the host's user database spells it. LDAP finds H.Baker@... for h.baker@...; names
# derived from a user name, such as that of a slice, must not depend on how somebody typed it.
#   $1      user name as typed; any bytes
#   stdout  the database's spelling
#   status  0; 1, without output, if the database has no such user. A blank name, a UID and a name
#           with `+`, `-` or `#` in front, which passwd(5) uses for other entries, are none.
# Source: docs/contracts.md, "Accounts".
get_canonical_username() {
    local _username_text="${1-}" _username_found=''
    _username_may_exist 2>/dev/null || return 1
    if ! _username_is_local 2>/dev/null; then
        _username_found=$(command id -un -- "$_username_text" 2>/dev/null) || return 1
        _username_agrees 2>/dev/null || return 1
        _username_text=$_username_found
    fi
    printf '%s\n' "$_username_text"
}

# The functions below work on the caller's _username_text. They run with stderr discarded, because
# bash complains when they return if LC_ALL names a locale that the host lacks, as is common in SSH
# sessions.

# Implements sanitize_username_for_slice on _username_text.
_username_sanitize() {
    # Work on bytes: patterns match ASCII only, invalid UTF-8 needs no special case, and long names
    # are fast. `true` is for callers with a readonly LC_ALL.
    local LC_ALL=C || true
    _username_text=${_username_text//@/-at-}
    _username_text=${_username_text//[!A-Za-z0-9_-]/-}
    while [[ $_username_text == *--* ]]; do
        _username_text=${_username_text//--/-}
    done
    _username_text=${_username_text#-}
    _username_text=${_username_text%-}
}

# Succeeds unless _username_text cannot be the name of an account.
_username_may_exist() {
    local LC_ALL=C || true
    case $_username_text in
    [+#-]*) return 1 ;;
    *[!$' \t\n\v\f\r']*) return 0 ;;
    esac
    return 1
}

# Succeeds if _username_text is in /etc/passwd. id looks up the UID of the name, then the name of the
# UID: for the second of two accounts with the same UID it returns the name of the first. Looking
# here first avoids that, and saves a process. (For two directory accounts with the same UID, id's
# answer is used.) `[`, because `[[` would honour the caller's nocasematch.
_username_is_local() {
    local LC_ALL=C || true
    local _username_entry _username_rest
    while IFS=: read -r _username_entry _username_rest || [[ -n $_username_entry ]]; do
        if [ "$_username_entry" = "$_username_text" ]; then
            return 0
        fi
    done </etc/passwd
    return 1
}

# Succeeds if _username_found is the name that was asked for: id reads what strtoul(3) reads as a
# number, including white space, as a UID. Digits have no other spelling.
_username_agrees() {
    local LC_ALL=C || true
    local _username_rest=${_username_text#"${_username_text%%[! $'\t\n\v\f\r']*}"}
    _username_rest=${_username_rest#+}
    [[ -n $_username_found ]] || return 1
    if [[ -n $_username_rest && $_username_rest != *[!0-9]* ]]; then
        [ "$_username_found" = "$_username_text" ]
    fi
}

# Converts the ASCII letters of _username_text to lower case. It also shows that this file was sourced,
# so it has to be the last function.
_username_lower() {
    local LC_ALL=C || true
    _username_text=${_username_text,,}
}
