// SPDX-License-Identifier: GPL-2.0
/*
 * Names that exist only once: block major 9, /proc/mdstat, the sysctl folder
 * dev/raid, and md_mod in /sys/module, where mdadm asks for new arrays.
 *
 * The kernel's md has them if it is there ("beside"), and else md-p2p ("sole"),
 * so that plain mdadm works with the md that is there. If the kernel's md comes,
 * md-p2p makes way, and if it goes, md-p2p takes the names again. Arrays go on
 * meanwhile, because they have a major of their own from the start.
 * kmod/decide/names.rs says who is to have the names.
 *
 * The name of a disk belongs to the md that has made the disk first.
 *
 * Tests: the scenarios modes, beside and pollers.
 */
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/major.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/poll.h>
#include <linux/proc_fs.h>
#include <linux/sysctl.h>
#include <linux/sysfs.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "md.h"
#include "md_p2p.h"
#include "names.h"
#include "shim.h"

#define THEIRS	"md_mod"
/* mdadm looks for this in /proc/devices: by its major it knows an array's node. */
#define MAJOR_NAME	"mdp"
#define TAKEN_NUMBERS	"mdstat-p2p-numbers"
#define RETRY	msecs_to_jiffies(100)
/* The milliseconds that a file that goes waits for those who poll it. */
#define POLLERS_LEAVE	1000

int md_p2p_major;

/* Guards what follows; @beside and @mdstat_goes may be read without it. */
static DEFINE_MUTEX(names_lock);
static enum md_p2p_names names = MD_P2P_WAITING;
static bool beside = true;
static struct kobject *folder;
static const struct proc_ops *mdstat;
static wait_queue_head_t *mdstat_waiters;
static bool mdstat_goes;
static const struct ctl_table *settings;
static size_t settings_size;
static struct ctl_table_header *settings_header;

/* The class of disks. The kernel does not export it. */
static const struct class *disks;

static const char *mdstat_name(void)
{
	return beside ? "mdstat-p2p" : "mdstat";
}

/* Shows a line for an array that has members, or that is another driver's. */
static int show_taken(struct device *dev, void *data)
{
	struct seq_file *seq = data;
	struct gendisk *disk = dev_to_disk(dev);
	struct mddev *mddev;

	if (bdev_is_partition(dev_to_bdev(dev)) ||
	    strncmp(disk->disk_name, "md", 2))
		return 0;
	if (disk->major == md_p2p_major || disk->major == mdp_major) {
		/* The iteration holds the disk, and the disk its array. */
		mddev = disk->private_data;
		if (!READ_ONCE(mddev->raid_disks) && list_empty(&mddev->disks))
			return 0;
	}
	seq_printf(seq, "%s : active\n\n", disk->disk_name);
	return 0;
}

/*
 * mdp2p shows mdadm this file in place of /proc/mdstat when mdadm chooses a
 * number, because mdadm stops an array whose number it takes for free.
 */
static int show_taken_numbers(struct seq_file *seq, void *unused)
{
	return class_for_each_device(disks, NULL, seq, show_taken);
}

/*
 * MD's poll asks this at its end, so that nobody goes to sleep on a file that is
 * about to go. Whoever enters the queue after wake_pollers() has had the queue's
 * lock sees the flag.
 */
__poll_t md_p2p_mdstat_goes(void)
{
	return READ_ONCE(mdstat_goes) ? EPOLLERR | EPOLLPRI : 0;
}

/*
 * Those in select() and poll() leave the queue as soon as they have asked again.
 * Those in epoll_wait() ask too, but stay in the queue, so the wait has a limit.
 */
static void wake_pollers(void)
{
	int waited;

	WRITE_ONCE(mdstat_goes, true);
	wake_up_all(mdstat_waiters);
	for (waited = 0; waited < POLLERS_LEAVE; waited += 10) {
		/* No barrier: a thread that is seen late is put out later. */
		if (!waitqueue_active(mdstat_waiters))
			break;
		fsleep(10 * USEC_PER_MSEC);
	}
}

/*
 * Once the file is gone, nobody enters the queue any more. But epoll would stay
 * in the queue until its owner closes the file, and md_exit() would wait for
 * that. POLLFREE puts epoll out. wake_up_pollfree() would complain of a late
 * poll(), which is on its way out, and which md_exit() waits for.
 */
static void put_pollers_out(void)
{
	__wake_up(mdstat_waiters, TASK_NORMAL, 0,
		  poll_to_key(EPOLLHUP | POLLFREE));
	WRITE_ONCE(mdstat_goes, false);
}

static void show_mdstat(void)
{
	if (!mdstat)
		return;
	if (!proc_create(mdstat_name(), 0444, NULL, mdstat))
		pr_warn("md-p2p: /proc/%s cannot be made\n", mdstat_name());
	if (beside &&
	    !proc_create_single(TAKEN_NUMBERS, 0444, NULL, show_taken_numbers))
		pr_warn("md-p2p: /proc/%s cannot be made\n", TAKEN_NUMBERS);
}

static void show_settings(void)
{
	if (settings)
		settings_header =
			register_sysctl_sz(beside ? "dev/raid-p2p" : "dev/raid",
					   settings, settings_size);
}

static void hide(void)
{
	if (mdstat) {
		wake_pollers();
		remove_proc_entry(mdstat_name(), NULL);
		put_pollers_out();
		if (beside)
			remove_proc_entry(TAKEN_NUMBERS, NULL);
	}
	/* Takes NULL as well. */
	unregister_sysctl_table(settings_header);
	settings_header = NULL;
}

static void set_beside(bool to)
{
	hide();
	WRITE_ONCE(beside, to);
	show_mdstat();
	show_settings();
}

static void log_mode(void)
{
	pr_info("md-p2p: %s the kernel's md, block major %d\n",
		beside ? "beside" : "without", md_p2p_major);
}

/* Returns the folder /sys/module. */
static struct kobject *modules(void)
{
	return THIS_MODULE->mkobj.kobj.parent;
}

/*
 * Removes the folder at once: somebody else's reference must not keep the
 * kernel's md from making its own.
 */
static void remove_folder(void)
{
	kobject_del(folder);
	kobject_put(folder);
	folder = NULL;
}

/*
 * Makes a folder md_mod with our parameters. It has no file "initstate", so
 * modprobe does not take the kernel's md for loaded.
 */
static int make_folder(void)
{
	struct kobject *ours = &THIS_MODULE->mkobj.kobj;
	int ret;

	/* A link tells without a splat whether the name is there already. */
	ret = sysfs_create_link_nowarn(modules(), ours, THEIRS);
	if (ret)
		return ret;
	sysfs_remove_link(modules(), THEIRS);
	folder = kobject_create_and_add(THEIRS, modules());
	if (!folder)
		return -ENOMEM;
	ret = compat_only_sysfs_link_entry_to_kobj(folder, ours, "parameters",
						   NULL);
	if (ret)
		remove_folder();
	return ret;
}

static enum md_p2p_event take(void)
{
	int ret;

	if (register_blkdev(MD_MAJOR, "md"))
		return MD_P2P_IN_USE;
	ret = make_folder();
	if (ret) {
		unregister_blkdev(MD_MAJOR, "md");
		return ret == -EEXIST ? MD_P2P_IN_THE_WAY : MD_P2P_IN_USE;
	}
	set_beside(false);
	return MD_P2P_TAKEN;
}

static void make_way(void)
{
	remove_folder();
	unregister_blkdev(MD_MAJOR, "md");
	set_beside(true);
}

static void moment_is_over(struct work_struct *work);
static DECLARE_DELAYED_WORK(moment, moment_is_over);

/* Asks Rust what follows from an event, and does it. */
static void names_event(enum md_p2p_event event)
{
	for (;;) {
		names = md_p2p_glue_names(names, event);
		if (names != MD_P2P_TAKING)
			break;
		event = take();
	}
	if (names == MD_P2P_WAITING)
		schedule_delayed_work(&moment, RETRY);
	if (names != MD_P2P_OURS && !beside)
		make_way();
}

static void moment_is_over(struct work_struct *work)
{
	mutex_lock(&names_lock);
	names_event(MD_P2P_MOMENT);
	if (!beside)
		log_mode();
	mutex_unlock(&names_lock);
}

static int module_event(struct notifier_block *nb, unsigned long state,
			void *data)
{
	const struct module *module = data;
	bool before;

	if (strcmp(module->name, THEIRS))
		return NOTIFY_DONE;
	mutex_lock(&names_lock);
	before = beside;
	if (state == MODULE_STATE_COMING)
		names_event(MD_P2P_COMING);
	else if (state == MODULE_STATE_GOING)
		names_event(MD_P2P_GOING);
	if (names == MD_P2P_THEIRS && !before)
		log_mode();
	mutex_unlock(&names_lock);
	return NOTIFY_DONE;
}

static struct notifier_block module_notifier = {
	.notifier_call = module_event,
};

static int find_disks(void)
{
	struct gendisk *disk = blk_alloc_disk(NULL, NUMA_NO_NODE);

	if (IS_ERR(disk))
		return PTR_ERR(disk);
	disks = disk_to_dev(disk)->class;
	put_disk(disk);
	return 0;
}

int shim_names_take(void (*probe)(dev_t devt))
{
	int ret = find_disks();

	if (ret)
		return ret;
	ret = __register_blkdev(0, MAJOR_NAME, probe);
	if (ret < 0)
		return ret;
	md_p2p_major = ret;
	ret = register_module_notifier(&module_notifier);
	if (ret) {
		unregister_blkdev(md_p2p_major, MAJOR_NAME);
		return ret;
	}
	/* A module whose coming we missed has a folder soon, and then major 9. */
	fsleep(10 * USEC_PER_MSEC);
	mutex_lock(&names_lock);
	names_event(MD_P2P_MOMENT);
	log_mode();
	mutex_unlock(&names_lock);
	return 0;
}

void shim_names_leave(void)
{
	/* Before the notifier goes, so that nobody who comes meets our names. */
	mutex_lock(&names_lock);
	names_event(MD_P2P_LEAVING);
	hide();
	mdstat = NULL;
	settings = NULL;
	mutex_unlock(&names_lock);
	unregister_module_notifier(&module_notifier);
	cancel_delayed_work_sync(&moment);
	unregister_blkdev(md_p2p_major, MAJOR_NAME);
}

void md_p2p_mdstat(const struct proc_ops *ops, wait_queue_head_t *waiters)
{
	mutex_lock(&names_lock);
	mdstat = ops;
	mdstat_waiters = waiters;
	show_mdstat();
	mutex_unlock(&names_lock);
}

void md_p2p_settings(const struct ctl_table *table, size_t size)
{
	mutex_lock(&names_lock);
	settings = table;
	settings_size = size;
	show_settings();
	mutex_unlock(&names_lock);
}

/*
 * Does what add_disk() does, but returns -EEXIST without a splat if there is a
 * disk of that name. Sleeps. md_alloc() gives our own names one after another.
 * If the kernel's md gives the name in this very moment, add_disk() refuses.
 */
int md_p2p_add_disk(struct gendisk *disk)
{
	struct device *there = class_find_device_by_name(disks,
							 disk->disk_name);

	if (there) {
		pr_info("md-p2p: there is a disk %s\n", disk->disk_name);
		put_device(there);
		return -EEXIST;
	}
	return add_disk(disk);
}

static int get_mode(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n", READ_ONCE(beside) ? "beside" : "sole");
}

static const struct kernel_param_ops mode_ops = {
	.get = get_mode,
};

module_param_cb(mode, &mode_ops, NULL, 0444);
MODULE_PARM_DESC(mode, "sole: /proc/mdstat and dev/raid are ours; beside: they are the kernel's md's");
