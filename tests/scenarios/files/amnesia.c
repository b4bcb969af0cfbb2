// SPDX-License-Identifier: GPL-2.0
/*
 * Makes the memory of a provider forget, as in a reset. While this is loaded, it
 * writes zeros over the memory again and again. A reset clears all memory at
 * once, so no CPU does anything else meanwhile. Drives may, and so this begins at
 * the end, where a loan has its mark. For the tests.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/stop_machine.h>

static unsigned long start;
module_param(start, ulong, 0444);
MODULE_PARM_DESC(start, "physical address of the memory");

static unsigned long size;
module_param(size, ulong, 0444);
MODULE_PARM_DESC(size, "bytes of the memory");

static unsigned int pause_ms = 50;
module_param(pause_ms, uint, 0444);
MODULE_PARM_DESC(pause_ms, "milliseconds between two resets");

static u64 __iomem *memory;
static struct task_struct *task;

static int forget(void *unused)
{
	size_t word = size / sizeof(*memory);

	while (word--)
		writeq(0, memory + word);
	return 0;
}

static int forget_again(void *unused)
{
	while (!kthread_should_stop()) {
		stop_machine(forget, NULL, NULL);
		msleep(pause_ms);
	}
	return 0;
}

static int __init amnesia_init(void)
{
	memory = ioremap(start, size);
	if (!memory)
		return -ENOMEM;
	task = kthread_run(forget_again, NULL, "amnesia");
	if (IS_ERR(task))
		iounmap(memory);
	return PTR_ERR_OR_ZERO(task);
}
module_init(amnesia_init);

static void __exit amnesia_exit(void)
{
	kthread_stop(task);
	iounmap(memory);
}
module_exit(amnesia_exit);

MODULE_DESCRIPTION("A provider whose memory forgets");
MODULE_LICENSE("GPL");
