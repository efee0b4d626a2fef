# Boots a copy of this machine that is thrown away: its files are those of this one, with all
# that is written kept in memory, and its processes, network and service manager are its own.
# As root: unshare --mount --net sh machine.sh SHARED, where SHARED/inside.sh is what is run in
# there, as /shared/inside.sh.
set -eu
shared=$1
work=$shared/machine
mkdir "$work"
mount -t tmpfs tmpfs "$work"
root=$work/root
mkdir "$work/upper" "$work/layers" "$work/groups" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/layers" "$root"

# Control groups below one of its own.
mount -t cgroup2 cgroup2 "$work/groups"
mkdir "$work/groups/$(cat "$shared/name")"
echo $$ >"$work/groups/$(cat "$shared/name")/cgroup.procs"

for dir in run tmp dev; do mount -t tmpfs tmpfs "$root/$dir"; done
for name in null zero full random urandom tty; do
	touch "$root/dev/$name"
	mount --bind "/dev/$name" "$root/dev/$name"
done
ln -s pts/ptmx "$root/dev/ptmx"
mkdir "$root/shared"
mount --bind "$shared" "$root/shared"
mount -t sysfs -o ro sysfs "$root/sys"

# Nothing of this machine begins by itself, least of all what sets up a kernel.
find "$root/etc/systemd/system" -mindepth 1 -delete
find "$root"/lib/systemd/system/*.target.wants -mindepth 1 \
	! -name systemd-journald.service ! -name 'systemd-journald*.socket' ! -name systemd-tmpfiles-setup.service -delete
rm -f "$root/usr/sbin/policy-rc.d"
cat >"$root/etc/systemd/system/inside.target" <<'EOF'
[Unit]
Wants=systemd-journald.service inside.service
EOF
cat >"$root/etc/systemd/system/inside.service" <<'EOF'
[Unit]
After=systemd-journald.service
[Service]
Type=oneshot
WorkingDirectory=/shared
ExecStart=/bin/sh -c 'sh -e inside.sh >said 2>&1; echo $? >done'
EOF
exec unshare --pid --cgroup --fork --kill-child sh -e -c '
	mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
	mount -t proc proc "$1/proc"
	mount --bind "$1/proc/sys" "$1/proc/sys"
	mount -o remount,bind,ro "$1/proc/sys"
	# Units have roots of their own, which a chroot would not let them.
	cd "$1"
	mkdir old
	pivot_root . old
	umount -l old
	exec env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin \
		/lib/systemd/systemd --system --unit=inside.target --log-target=journal' sh "$root"
