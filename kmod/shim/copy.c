// SPDX-License-Identifier: GPL-2.0
/*
 * Copies by the CPU from and to peer pages.
 *
 * p2pmem is mapped uncached: every load waits for an answer on the bus. So a
 * copy goes as wide as the processor is fast with, which is measured once.
 *
 * Tests: the scenarios mix, staging, changing and wide.
 */
#include <linux/bio.h>
#include <linux/cpufeature.h>
#include <linux/export.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/moduleparam.h>

#ifdef CONFIG_X86_64
#include <asm/fpu/api.h>
#include <asm/set_memory.h>
#endif

#include "copy.h"
#include "md_p2p_copy.h"

#define WORD		sizeof(u64)

/* What one load takes. 0 is not measured yet. */
static unsigned int width;

static void copy_words(void *to, const void *from, size_t length)
{
	const u64 *source = from;
	u64 *dest = to;

	for (; length; length -= WORD)
		WRITE_ONCE(*dest++, READ_ONCE(*source++));
}

#ifdef CONFIG_X86_64

/*
 * Loads are streaming: on write-combining memory they take a whole line. The
 * compiler uses none of these registers in the kernel.
 */
#define WIDE_COPY(_bytes, _load, _store)				\
static void copy_##_bytes(void *to, const void *from, size_t length)	\
{									\
	for (; length; length -= _bytes, from += _bytes, to += _bytes)	\
		asm volatile(_load "\n\t" _store			\
			     : : "r" (from), "r" (to) : "memory");	\
}

WIDE_COPY(16, "movntdqa (%0), %%xmm0", "movdqa %%xmm0, (%1)")
WIDE_COPY(32, "vmovntdqa (%0), %%ymm0", "vmovdqa %%ymm0, (%1)")
WIDE_COPY(64, "vmovntdqa (%0), %%zmm0", "vmovdqa64 %%zmm0, (%1)")

static bool can_copy(unsigned int bytes)
{
	switch (bytes) {
	case 8:
		return true;
	case 16:
		return boot_cpu_has(X86_FEATURE_XMM4_1) &&
		       cpu_has_xfeatures(XFEATURE_MASK_SSE, NULL);
	case 32:
		return boot_cpu_has(X86_FEATURE_AVX2) &&
		       cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM,
					 NULL);
	case 64:
		return boot_cpu_has(X86_FEATURE_AVX512F) &&
		       cpu_has_xfeatures(XFEATURE_MASK_SSE | XFEATURE_MASK_YMM |
					 XFEATURE_MASK_AVX512, NULL);
	default:
		return false;
	}
}

/* Copies so much with the task nailed to its CPU: some microseconds. */
#define AT_A_TIME	512

static void copy_wide(void *to, const void *from, size_t length,
		      unsigned int bytes)
{
	while (length) {
		size_t part = min_t(size_t, length, AT_A_TIME);

		kernel_fpu_begin();
		if (bytes == 64)
			copy_64(to, from, part);
		else if (bytes == 32)
			copy_32(to, from, part);
		else
			copy_16(to, from, part);
		/* Registers that look used make the processor slower. */
		if (bytes > 16)
			asm volatile("vzeroupper");
		kernel_fpu_end();
		to += part;
		from += part;
		length -= part;
	}
}

static bool may_copy_wide(void)
{
	return irq_fpu_usable();
}

#else

static bool can_copy(unsigned int bytes)
{
	return bytes == WORD;
}

static void copy_wide(void *to, const void *from, size_t length,
		      unsigned int bytes)
{
}

static bool may_copy_wide(void)
{
	return false;
}

#endif

static void copy(void *to, const void *from, size_t length, unsigned int bytes)
{
	unsigned long all = (unsigned long)to | (unsigned long)from | length;

	if (bytes > WORD && IS_ALIGNED(all, bytes) && may_copy_wide())
		copy_wide(to, from, length, bytes);
	else if (IS_ALIGNED(all, WORD))
		copy_words(to, from, length);
	else
		memcpy(to, from, length);
}

void md_p2p_copy(struct page *dest, size_t dest_offset, struct page *src,
		 size_t src_offset, size_t len)
{
	void *to = kmap_local_page(dest);
	const void *from = kmap_local_page(src);

	copy(to + dest_offset, from + src_offset, len, READ_ONCE(width));
	kunmap_local(from);
	kunmap_local(to);
}
EXPORT_SYMBOL_GPL(md_p2p_copy);

void md_p2p_copy_data(struct bio *to, struct bvec_iter to_iter,
		      struct bio *from, struct bvec_iter from_iter)
{
	while (to_iter.bi_size && from_iter.bi_size) {
		struct bio_vec dest = bio_iter_iovec(to, to_iter);
		struct bio_vec src = bio_iter_iovec(from, from_iter);
		unsigned int len = min(dest.bv_len, src.bv_len);

		md_p2p_copy(dest.bv_page, dest.bv_offset, src.bv_page,
			    src.bv_offset, len);
		bio_advance_iter_single(to, &to_iter, len);
		bio_advance_iter_single(from, &from_iter, len);
		cond_resched();
	}
}
EXPORT_SYMBOL_GPL(md_p2p_copy_data);

/* How wide */

static int set_width(const char *text, const struct kernel_param *param)
{
	unsigned int bytes;
	int ret = kstrtouint(text, 0, &bytes);

	if (!ret && bytes && !can_copy(bytes))
		ret = -EINVAL;
	if (ret)
		pr_err("md-p2p: p2pdma_copy_bytes=%s: give 8, 16, 32 or 64, as far as this processor can, or 0 to have it measured\n",
		       text);
	else
		width = bytes;
	return ret;
}

static const struct kernel_param_ops width_ops = {
	.set = set_width,
	.get = param_get_uint,
};

module_param_cb(p2pdma_copy_bytes, &width_ops, &width, 0444);
MODULE_PARM_DESC(p2pdma_copy_bytes, "how much of a provider's memory the CPU loads at once: 8, 16, 32 or 64; 0 measures it");

#ifdef CONFIG_X86_64

#define ROUNDS		8

/* Returns the least nanoseconds of a copy of a page from uncached memory. */
static u64 measure(void *to, const void *from, unsigned int bytes)
{
	u64 least = U64_MAX;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		u64 start = ktime_get_ns();

		copy(to, from, PAGE_SIZE, bytes);
		least = min(least, ktime_get_ns() - start);
	}
	return least;
}

/* A wider load must be worth it: wide registers make some processors slower. */
static unsigned int fastest(void *to, const void *from)
{
	u64 least = measure(to, from, WORD);
	unsigned int best = WORD;
	unsigned int bytes;

	for (bytes = 2 * WORD; can_copy(bytes); bytes *= 2) {
		u64 time = measure(to, from, bytes);

		if (time < least - least / 8) {
			least = time;
			best = bytes;
		}
	}
	return best;
}

static unsigned int measured_width(void)
{
	struct page *to = alloc_page(GFP_KERNEL);
	struct page *from = alloc_page(GFP_KERNEL);
	unsigned int best = WORD;
	unsigned long uncached;

	if (!to || !from)
		goto out;
	uncached = (unsigned long)page_address(from);
	if (set_memory_uc(uncached, 1))
		goto out;
	best = fastest(page_address(to), page_address(from));
	/* Whoever gets the page next wants it cached. */
	if (set_memory_wb(uncached, 1))
		from = NULL;
out:
	if (from)
		__free_page(from);
	if (to)
		__free_page(to);
	return best;
}

#else

static unsigned int measured_width(void)
{
	return WORD;
}

#endif

/*
 * In a guest, the memory may be emulated, and a hypervisor that meets a wide load
 * from it may stop the guest. Whoever knows better sets the parameter.
 */
static bool may_be_emulated(void)
{
#ifdef CONFIG_X86_64
	return boot_cpu_has(X86_FEATURE_HYPERVISOR);
#else
	return true;
#endif
}

void shim_copy_init(void)
{
	if (!width)
		width = may_be_emulated() ? WORD : measured_width();
}
