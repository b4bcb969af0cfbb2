# SPDX-License-Identifier: GPL-2.0
#
# packages.sh PACKAGE...: installs the tools and the guest's programs. Runs in the
# environment; called again, it goes on where it stopped. Standard input: settings
# of this machine's apt that apt in the environment needs too (a proxy).
set -eu
cat >/etc/apt/apt.conf.d/90host
echo 'APT::Sandbox::User "root";' >/etc/apt/apt.conf.d/90sandbox
printf 'path-exclude=/usr/share/%s/*\n' doc info locale man >/etc/dpkg/dpkg.cfg.d/slim
# No service is started from a package.
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod +x /usr/sbin/policy-rc.d

# A mirror of mmdebstrap's own choice came without backports.
grep -rqs backports /etc/apt/sources.list* ||
	sed -n 's/^\(deb .*\) trixie main$/\1 trixie-backports main/p' /etc/apt/sources.list \
		>/etc/apt/sources.list.d/backports.list

dpkg --configure -a
apt-get update
apt-get install -y --no-install-recommends "$@"
