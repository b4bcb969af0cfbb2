# A process that polls mdstat does not keep md-p2p from going.
# It does not sleep on a file that has gone, be it in select, poll or epoll.
# run: test
# topology: switch
# modules: p2p
# timeout: 120
#
# SPDX-License-Identifier: GPL-2.0
. ./lib.bash

# The seconds that a poller may sleep if nobody wakes it. No step takes nearly as long.
readonly long=600

# poller.py HOW FILE SECONDS: says "sleeps", and then whether it was woken. It keeps the file and its epoll until it is
# killed.
cat >poller.py <<'END_OF_POLLER'
import select, sys, time

how, path, patience = sys.argv[1], sys.argv[2], float(sys.argv[3])
file = open(path)
file.read()
print("sleeps", flush=True)
if how == "select":
    woken = bool(select.select([], [], [file], patience)[2])
else:
    poll = select.poll() if how == "poll" else select.epoll()
    poll.register(file, select.POLLPRI)
    events = poll.poll(patience * 1000 if how == "poll" else patience)
    wanted = select.POLLPRI | select.POLLERR
    woken = [event & wanted for _, event in events] == [wanted]
print("woken" if woken else "not woken", flush=True)
time.sleep(patience)
END_OF_POLLER

ways=(select poll epoll)
pollers=()

says() { [[ $(tail -n 1 "$1") == "$2" ]]; }

# poll_file FILE: lets a poller of each kind sleep on the file.
poll_file() {
	local how
	pollers=()
	for how in "${ways[@]}"; do
		python3 poller.py "$how" "$1" $long >"$how.said" &
		pollers+=($!)
	done
	for how in "${ways[@]}"; do until_true says "$how.said" sleeps; done
	# It says so right before it sleeps.
	sleep 2
	for how in "${ways[@]}"; do is "$how before" "$(tail -n 1 "$how.said")" sleeps; done
}

# all_woken: all pollers were woken in time. Ends them.
all_woken() {
	local how pid
	sleep 5
	for how in "${ways[@]}"; do is "$how" "$(tail -n 1 "$how.said")" woken; done
	for pid in "${pollers[@]}"; do kill "$pid"; done
	wait "${pollers[@]}" || true
}

# soon COMMAND...: the command takes seconds, not the time that a poller may sleep.
soon() {
	local start=$SECONDS
	quietly timeout $((long / 2)) "$@"
	is_about "seconds of $*" $((SECONDS - start)) 0 20
}

without_udev
say 'md-p2p was alone, and goes'
modprobe md-p2p
poll_file /proc/mdstat
soon rmmod md-p2p
all_woken

say "the kernel's md comes"
modprobe md-p2p
poll_file /proc/mdstat
soon modprobe md-mod
all_woken

say 'md-p2p was beside it, and goes'
poll_file /proc/mdstat-p2p
soon rmmod md-p2p
all_woken

say "the kernel's md goes"
modprobe md-p2p
poll_file /proc/mdstat-p2p
soon rmmod md_mod
all_woken

say 'a poller gets the file that is there then'
poll_file /proc/mdstat
create md0 1 'near0 near1' --assume-clean
all_woken
remove md0
