#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Keeps the loop devices of one node as the chart's values want them.
#
#   loopback-block.sh run      make it so, again and again, until SIGTERM
#   loopback-block.sh ready    is every device attached as wanted? (changes nothing)
#   loopback-block.sh live     is `run` still going round?
#   loopback-block.sh test     `ready`, and one read from each device
#
# What it lives by:
#   - An attachment is found by the file (device and inode, `losetup -j`), never by a path: the path that the kernel tells
#     depends on the mount namespace it is read in.
#   - One action, then everything is looked at again. Each action may be interrupted anywhere; the next pass finishes it.
#   - No file is removed, emptied or shortened, and none is attached twice. What is not understood is left alone, loudly.
#   - Nothing is detached, unless DETACH_ON_STOP is true.
#
# POSIX sh with util-linux (busybox's losetup has no -j) and GNU coreutils, as Debian's smallest images have them.

set -u

# One device a line: /dev/loopN, its file, its size in MiB.
devices=${DEVICES_FILE:-/etc/loopback-block/devices}
# The folder of all files; its lock keeps two pods on one node apart.
store=${STORE:-/var/lib/loopback-block}
# What this container remembers: the heartbeat, and what was said last.
memory=${MEMORY:-/run/loopback-block}
interval=${RECONCILE_SECONDS:-30}

mib=1048576
# A sign of life must not be older than a pass and this many seconds.
patience=60
# A problem that stays is told again after this many seconds.
nagging=600
child=

say() {
    case $1 in
    error) printf '%s: %s\n' "$1" "$2" >&2 ;;
    *) printf '%s: %s\n' "$1" "$2" ;;
    esac
}

# Seconds since boot: unlike the date, they never jump.
uptime_seconds() {
    read -r up _ </proc/uptime
    printf '%s\n' "${up%%.*}"
}

beat() {
    uptime_seconds >"$memory/heartbeat.new" && mv "$memory/heartbeat.new" "$memory/heartbeat"
}

# --- looking ---------------------------------------------------------------------------------------------------------------

# Prints "inode major:minor" of a file, as losetup tells them of a loop device.
identity() {
    stat -c '%i %d' "$1" | {
        read -r inode number || return 1
        printf '%s %s:%s\n' "$inode" "$((number >> 8 & 0xfff))" "$((number & 0xff | number >> 12 & 0xfff00))"
    }
}

# Prints the loop devices that a file is attached to, as minor numbers in one line. Fails if that cannot be found out, which
# must never be taken for "none".
holders() {
    seen=$(losetup -n --raw -O MAJ:MIN -j "$1" 2>/dev/null) || return 1
    unseen=$(unseen_holders "$1") || return 1
    # MAJ:MIN is padded with blanks, which --raw writes as \x20.
    printf '%s\n%s\n' "$seen" "$unseen" | sed -e 's/\\x20//g' -e 's/.*://' -e '/^$/d' | sort -un | tr '\n' ' ' | sed 's/ $//'
}

# losetup finds only what has a node in /dev. Where no udev makes nodes (kind), an attachment outlives its node.
unseen_holders() {
    wanted=$(identity "$1") || return 1
    for backing in /sys/block/loop*/loop/backing_file; do
        [ -e "$backing" ] || continue
        name=${backing#/sys/block/}
        name=${name%%/*}
        [ -b "/dev/$name" ] && continue
        # Not the node's own name: nobody else shall take it for a disk of this node.
        peephole=/dev/.loopback-block-$$-$name
        mknod -m 0600 "$peephole" b 7 "${name#loop}" 2>/dev/null || return 1
        found=$(losetup -n --raw -O BACK-INO,BACK-MAJ:MIN "$peephole" 2>/dev/null)
        rm -f "$peephole"
        if [ -z "$found" ]; then
            [ -e "$backing" ] && return 1
            continue
        fi
        if [ "$(printf '%s\n' "$found" | sed 's/\\x20//g')" = "$wanted" ]; then
            printf '7:%s\n' "${name#loop}"
        fi
    done
}

# Looks at one device: `inspect PATH FILE BYTES`. Sets `state` and `why`, and changes nothing.
#
#   ok      as wanted                          larger  attached, but the file is larger than wanted
#   create  the file is missing                grow    the file is smaller than wanted
#   attach  the file is not attached           mknod   the kernel has the device, /dev lacks it
#   resize  the device has yet to take over the file's size
#   error   `why` says what a person must look at
inspect() {
    path=$1 file=$2 bytes=$3
    minor=${path#/dev/loop}
    kernel=/sys/block/loop$minor
    state=error why='' has=0 held=''

    if [ -L "$path" ] || { [ -e "$path" ] && [ ! -b "$path" ]; }; then
        why="exists and is not a block device"
        return
    fi
    if [ -b "$path" ] && [ "$(stat -c '%t:%T' "$path")" != "7:$(printf '%x' "$minor")" ]; then
        why="is not loop device $minor (its numbers are $(stat -c '%t:%T' "$path"), hexadecimal)"
        return
    fi
    if [ -L "$file" ] || { [ -e "$file" ] && [ ! -f "$file" ]; }; then
        why="$file exists and is not a regular file"
        return
    fi

    # Before the file's size: otherwise a probe may see a device that grew meanwhile over a file that had not.
    sectors=$(cat "$kernel/size" 2>/dev/null)
    if [ -f "$file" ]; then
        if ! has=$(stat -c '%s' "$file") || ! held=$(holders "$file"); then
            why="cannot find out what $file is attached to"
            return
        fi
    fi
    case $held in
    "") inspect_detached ;;
    "$minor") inspect_attached ;;
    *" "*) why="$file is attached more than once, to loop devices $held: writes to them destroy each other; stop what uses them, then detach all but one" ;;
    *) why="$file is attached to /dev/loop$held already and is not attached again; set that path, or detach it there first (losetup -d /dev/loop$held)" ;;
    esac
}

# The file is nowhere attached. The device comes first: nothing is made for one that belongs to somebody else. A file that has
# something is attached before it grows: when it cannot grow, its disk is there all the same.
inspect_detached() {
    if [ -e "$kernel/loop/backing_file" ]; then
        why="is attached to another file: $(cat "$kernel/loop/backing_file" 2>/dev/null) (a path of whoever attached it); choose another path, or detach that first (losetup -d $path)"
    elif [ ! -e /dev/loop-control ]; then
        why="/dev/loop-control is missing: load the loop module on this node (modprobe loop)"
    elif [ ! -e "$file" ]; then
        state=create
    elif [ "$has" = 0 ]; then
        state=grow
    elif [ -d "$kernel" ] && [ ! -b "$path" ]; then
        state=mknod
    else
        state=attach
    fi
}

# The file is attached to this very device. Sizes are compared in the device's sectors of 512 bytes.
inspect_attached() {
    if [ ! -b "$path" ]; then
        state=mknod
        return
    fi
    how=$(losetup -n --raw -O OFFSET,SIZELIMIT,RO,AUTOCLEAR,DIO "$path" 2>/dev/null | sed 's/\\x20//g')
    # shellcheck disable=SC2086 # five numbers
    set -- $how
    if [ -z "$sectors" ] || [ $# -ne 5 ]; then
        why="cannot read how it is attached"
    elif [ "$1 $2 $3" != "0 0 0" ]; then
        why="is attached to $file by somebody else, with offset $1, size limit $2, read-only $3; detach it (losetup -d $path)"
    elif [ "$sectors" -gt $((has / 512)) ]; then
        why="$file is shorter than $path: it was cut while attached; data behind byte $has is lost"
    elif [ "$has" -lt "$bytes" ]; then
        state=grow
    elif [ "$sectors" -lt $((has / 512)) ]; then
        state=resize
    elif [ "$has" -gt "$bytes" ]; then
        state=larger
        why="$file has $((has / mib)) MiB, sizeMB asks for $((bytes / mib)): a device is never shrunk; set sizeMB to $(((has + mib - 1) / mib)) or more"
    else
        state=ok
        why="buffered I/O"
        [ "$5" = 0 ] || why="direct I/O"
        [ "$4" = 0 ] || why="$why; somebody detached it while in use: it goes when its last user closes it, and comes back after that"
    fi
}

# --- doing -----------------------------------------------------------------------------------------------------------------

# Takes the one step that `state` asks for. Sets `trouble` when it fails.
act() {
    trouble=
    case $state in
    create)
        trouble=$(mkdir -p "${file%/*}" 2>&1) && enlarge &&
            say info "$path: made $file, $((bytes / mib)) MiB$([ "${PREALLOCATE:-false}" = true ] || printf ', sparse')"
        ;;
    grow)
        enlarge && say info "$path: $file grew from $((has / mib)) to $((bytes / mib)) MiB"
        ;;
    mknod)
        trouble=$(mknod -m 0660 "$path" b 7 "$minor" 2>&1) && say info "$path: made the device node"
        ;;
    attach)
        attach && say info "$path: attached $file"
        ;;
    resize)
        trouble=$(losetup -c "$path" 2>&1) && say info "$path: took over the size of $file, $((has / mib)) MiB"
        ;;
    esac
}

# Brings the file to `bytes`: it is made, or made longer. What it has stays as it is; the rest reads as zeros.
enlarge() {
    room || return 1
    if [ "${PREALLOCATE:-false}" = true ]; then
        long fallocate -l "$bytes" "$file"
    else
        # A file with the data of a disk is nobody else's to read.
        trouble=$(umask 077 && truncate -s ">$bytes" "$file" 2>&1)
    fi
}

# Without a node the first attempt fails, but it registers the minor with the kernel (LOOP_CTL_ADD); the next look sees that.
attach() {
    if [ "${DIRECT_IO:-true}" = true ]; then
        # Otherwise the page cache holds every block twice: for the device and for the file.
        trouble=$(losetup --direct-io=on "$path" "$file" 2>&1) && return
        [ -b "$path" ] || return
    fi
    trouble=$(losetup "$path" "$file" 2>&1)
}

# Whether the file system can take all that the files on it may still grow by. A sparse file that finds its file system full
# gives I/O errors to whoever trusts the device.
room() {
    [ "${OVERCOMMIT:-false}" = true ] && return
    if ! here=$(stat -c '%d' "${file%/*}") || ! free=$(stat -f -c '%a %S' "${file%/*}"); then
        trouble="cannot read the free space of ${file%/*}"
        return 1
    fi
    free=$((${free% *} * ${free#* })) wanted=0
    while read -r _ other size; do
        [ -n "$other" ] || continue
        folder=${other%/*}
        until [ -d "$folder" ]; do folder=${folder%/*}; done
        [ "$(stat -c '%d' "$folder")" = "$here" ] || continue
        allocated=$(stat -c '%b %B' "$other" 2>/dev/null) || allocated='0 0'
        missing=$((size * mib - ${allocated% *} * ${allocated#* }))
        [ "$missing" -gt 0 ] && wanted=$((wanted + missing))
    done <"$devices"
    if [ "$wanted" -gt "$free" ]; then
        trouble="the files below ${file%/*} may still grow by $((wanted / mib)) MiB and $((free / mib)) MiB are free; make room, or set overcommit"
        return 1
    fi
}

# Runs what may take minutes, so that SIGTERM is heard and the heart goes on beating.
long() {
    (umask 077 && exec "$@") 2>"$memory/long" &
    child=$!
    while kill -0 "$child" 2>/dev/null; do
        beat
        sleep 1 &
        wait $!
    done
    wait "$child"
    status=$?
    child=
    trouble=$(cat "$memory/long")
    return "$status"
}

# Tells how a device is, when that is news or a problem that stays.
tell() {
    case $state in
    ok) level=info news="$path: ready: $file, $((has / mib)) MiB, $why" ;;
    *) level=error news="$path: $(printf '%s' "$why" | tr '\n' ' ')" ;;
    esac
    last=$memory/loop$minor
    now=$(uptime_seconds)
    if [ -e "$last" ]; then
        { read -r when && read -r _ && read -r what; } <"$last"
        if [ "$what" = "$news" ] && { [ "$level" = info ] || [ $((now - when)) -lt "$nagging" ]; }; then return; fi
    fi
    printf '%s\n%s\n%s\n' "$now" "$level" "$news" >"$last"
    say "$level" "$news"
}

# Steps and looks until a device is as wanted, or a step leads nowhere: `reconcile PATH FILE BYTES`.
reconcile() {
    previous='' steps=0 trouble=''
    while :; do
        inspect "$1" "$2" "$3"
        case $state in
        ok | larger | error) break ;;
        esac
        steps=$((steps + 1))
        if [ "$state" = "$previous" ] || [ "$steps" -gt 8 ]; then
            why="cannot $state: ${trouble:-it has no effect}"
            state=error
            break
        fi
        previous=$state
        act
    done
    tell
}

# --- the commands ----------------------------------------------------------------------------------------------------------

run() {
    trap stop TERM INT
    mkdir -p "$memory" || exit 1
    rm -f "$memory"/* /dev/.loopback-block-*
    case $(losetup --version 2>&1) in
    *util-linux*) ;;
    *)
        say error "this image has no losetup of util-linux; set image to one that has (Debian and Ubuntu have)"
        exit 1
        ;;
    esac
    exec 9<"$store" || exit 1
    say info "keeping $(grep -c . "$devices") loop device(s), looking every $interval s"
    while :; do
        beat
        pass
        beat
        sleep "$interval" &
        wait $!
    done
}

pass() {
    # Another pod at work on the same files (a second release, one that is being replaced) could attach between look and step.
    if ! flock -n 9; then
        say info "another process is at work below $store; next attempt in $interval s"
        return
    fi
    while read -r path file size; do
        [ -n "$file" ] && reconcile "$path" "$file" $((size * mib))
        beat
    done <"$devices"
    flock -u 9
}

stop() {
    trap '' TERM INT
    [ -n "$child" ] && kill "$child" 2>/dev/null
    if [ "${DETACH_ON_STOP:-false}" = true ]; then
        while read -r path file _; do
            [ -n "$file" ] && detach "$path" "$file"
        done <"$devices"
        say info "stopped"
    else
        say info "stopped; all devices stay as they are"
    fi
    exit 0
}

# Detaches a file from the device that it is meant for, and from no other.
detach() {
    inspect "$1" "$2" 0
    [ "$held" = "$minor" ] || return 0
    if ! trouble=$(losetup -d "$path" 2>&1); then
        say error "$path: cannot detach: $trouble"
    elif [ -e "$kernel/loop/backing_file" ]; then
        say info "$path: in use; it is detached as soon as its last user closes it"
    else
        say info "$path: detached; $file stays"
    fi
}

ready() {
    verdict=0
    while read -r path file size; do
        [ -n "$file" ] || continue
        inspect "$path" "$file" $((size * mib))
        [ "$state" = ok ] && continue
        verdict=1
        # A step that is still to be taken may be one that `run` cannot take: it knows why.
        if [ -z "$why" ] && { read -r _ && read -r level && read -r news; } 2>/dev/null <"$memory/loop$minor" && [ "$level" = error ]; then
            printf '%s\n' "$news"
        else
            printf '%s: %s\n' "$path" "${why:-not yet: $state}"
        fi
    done <"$devices"
    return "$verdict"
}

live() {
    read -r last <"$memory/heartbeat" || return 1
    age=$(($(uptime_seconds) - last))
    if [ "$age" -gt $((interval + patience)) ]; then
        printf 'no sign of life for %s s\n' "$age"
        return 1
    fi
}

# For `helm test`: what an OSD would do first.
test_devices() {
    ready || return 1
    while read -r path file size; do
        [ -n "$file" ] || continue
        dd if="$path" of=/dev/null bs=4096 count=1 2>/dev/null || {
            printf '%s: cannot be read\n' "$path"
            return 1
        }
        printf '%s: %s, %s MiB, readable\n' "$path" "$file" "$size"
    done <"$devices"
}

if ! [ -r "$devices" ]; then
    say error "cannot read $devices"
    exit 1
fi
case ${1:-} in
run) run ;;
ready) ready ;;
live) live ;;
test) test_devices ;;
*)
    say error "usage: loopback-block.sh run|ready|live|test"
    exit 2
    ;;
esac
